"""`InProcesses`: what processes load, epoch after epoch, by Grain.

Threads of one process share Python's lock. Processes do not. Grain deals the work out
to them, moves arrays through shared memory and keeps the order.
"""

import contextlib
import itertools
import multiprocessing
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from keras_nonlocal.data.datasets.epochs import EpochOrder
from keras_nonlocal.optional_packages import import_grain

# Grain deals out a known number of elements, and training may go on for long.
_EPOCHS = 2**30


class InProcesses:
    """Calls a function for all turns of one epoch after the other, in processes.

    The processes start with the first turn. They work ahead, also into the next epoch,
    and start again if another turn is asked for than the next one.

    Args:
        function: Called with an epoch and a turn. It is copied into the processes, as
            are its results into this one.
        order: The turns of each epoch.
        num_processes: Number of processes.
        num_ahead: Number of results that wait in a process until they are needed.
    """

    def __init__(
        self,
        function: Callable[[int, int], Any],
        order: EpochOrder,
        num_processes: int,
        num_ahead: int,
    ) -> None:
        self._grain = import_grain()
        self._function = function
        self._order = order
        self._num_processes = num_processes
        self._num_ahead = num_ahead
        self._lock = threading.Lock()
        # The iterator while the processes run. Nothing else refers to it.
        self._results: list[Any] = []
        self._next: Iterator[tuple[int, int]] = iter(())
        self._expected: tuple[int, int] | None = None
        self._stop: Any = None

    def __call__(self, epoch: int, turn: int) -> Any:
        """Returns the result of a turn, which is expected to be the next one."""
        with self._lock:
            if self._expected != (epoch, turn):
                self._start(epoch, turn)
            # None, if this one fails.
            self._expected = None
            result = self._take()
            self._expected = next(self._next)
        return result

    def close(self) -> None:
        """Ends the processes."""
        with self._lock:
            self._close()

    def _take(self) -> Any:
        try:
            return next(self._results[0])
        except RuntimeError as error:
            raise RuntimeError(
                "A process of `workers` ended, for want of memory or because the "
                'program does not do its work under `if __name__ == "__main__":`. '
                f"Received: {error}"
            ) from error

    def _close(self) -> None:
        if self._stop is not None:
            self._stop()
        self._stop = self._expected = None

    def _start(self, epoch: int, turn: int) -> None:
        self._close()
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise RuntimeError(
                "A program with `workers` must do its work under "
                '`if __name__ == "__main__":`, because each process imports it. '
                "Received: a process that asks for processes"
            )
        turns = self._order.turns(epoch).tolist()
        first = epoch * len(turns) + turns.index(turn)
        _allow_unparsed_flags()
        grain = self._grain
        turns_of_epochs = grain.MapDataset.source(_Turns(self._order))[first:]
        results = turns_of_epochs.map(_Call(self._function)).to_iter_dataset(
            grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
        )
        options = grain.MultiprocessingOptions(self._num_processes, self._num_ahead)
        self._results = [iter(results.mp_prefetch(options))]
        # Also when the dataset is no longer used, or the program ends.
        self._stop = weakref.finalize(self, _end, self._results)
        self._next = _following(self._order, epoch, turns.index(turn))
        next(self._next)


def _end(results: list[Any]) -> None:
    with contextlib.suppress(Exception):
        results.pop().close()


def _allow_unparsed_flags() -> None:
    """Grain reads flags of absl, which only programs of absl parse."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()


def _following(
    order: EpochOrder, epoch: int, position: int
) -> Iterator[tuple[int, int]]:
    """Epochs and turns from a position of an epoch on."""
    for later in itertools.count(epoch):
        for turn in order.turns(later)[position:].tolist():
            yield later, turn
        position = 0


class _Turns:
    """Epochs and turns, epoch after epoch."""

    def __init__(self, order: EpochOrder) -> None:
        self._order = order
        self._epoch: int | None = None
        self._turns: list[int] = []

    def __len__(self) -> int:
        return self._order.length * _EPOCHS

    def __getitem__(self, number: int) -> tuple[int, int]:
        epoch, position = divmod(number, self._order.length)
        if epoch != self._epoch:
            self._turns = self._order.turns(epoch).tolist()
            self._epoch = epoch
        return epoch, self._turns[position]


class _Call:
    """Calls the function, in a process."""

    def __init__(self, function: Callable[[int, int], Any]) -> None:
        self._function = function

    def __call__(self, turn: tuple[int, int]) -> Any:
        return self._function(*turn)
