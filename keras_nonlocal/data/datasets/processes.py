"""`ClipProcesses`: clips that processes load, by Grain.

Threads of one process share Python's lock, which a part of each clip needs. Processes
do not. Grain deals the clips out to them, moves pixels through shared memory and keeps
the order.
"""

import contextlib
import itertools
import multiprocessing
import threading
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

from keras_nonlocal.data.datasets.epochs import EpochOrder
from keras_nonlocal.data.datasets.loading import ClipLoader, LoadedClips
from keras_nonlocal.data.readers.video_reader import OpenVideo, VideoError
from keras_nonlocal.optional_packages import import_grain

# Clips that wait in a process until they are needed.
_CLIPS_AHEAD = 4
# Grain deals out a known number of elements, and training may go on for long.
_EPOCHS = 2**30


class _Outcome(NamedTuple):
    """What a process has loaded: clips, or the error instead of them."""

    video: int
    clips: LoadedClips | None
    error: VideoError | None


class ClipProcesses:
    """Loads the clips of one epoch after the other in several processes.

    The processes start with the first clip. They work ahead, also into the next epoch,
    and start again if another clip is asked for than the next one.

    Args:
        loader: Loads the clips. It is copied into the processes.
        order: The order of the videos in each epoch.
        num_processes: Number of processes.
    """

    in_order = True

    def __init__(
        self, loader: ClipLoader, order: EpochOrder, num_processes: int
    ) -> None:
        self._grain = import_grain()
        _check_copied(loader.open_video)
        self.videos = loader.videos
        self._loader = loader
        self._order = order
        self._num_processes = num_processes
        self._lock = threading.Lock()
        # The iterator while the processes run. Nothing else refers to it.
        self._clips: list[Any] = []
        self._next: Iterator[tuple[int, int]] = iter(())
        self._expected: tuple[int, int] | None = None
        self._stop: Any = None

    def load_with_times(self, index: int, epoch: int = 0) -> LoadedClips:
        """Returns the clips of video `index` in an epoch, as `ClipLoader` does."""
        with self._lock:
            if self._expected != (epoch, index):
                self._start(epoch, index)
            outcome = self._take()
            self._expected = next(self._next)
        if outcome.error is not None:
            raise outcome.error
        assert outcome.video == index
        assert outcome.clips is not None
        return LoadedClips(*outcome.clips)

    def _take(self) -> _Outcome:
        try:
            outcome: _Outcome = next(self._clips[0])
        except RuntimeError as error:
            raise RuntimeError(
                f"A process of `workers` ended, maybe for want of memory. "
                f"Received: {error}"
            ) from error
        return outcome

    def close(self) -> None:
        """Ends the processes."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._stop is not None:
            self._stop()
        self._stop = self._expected = None

    def _start(self, epoch: int, index: int) -> None:
        self._close()
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise RuntimeError(
                "A program with `workers` must do its work under "
                '`if __name__ == "__main__":`, because each process imports it. '
                "Received: a process that asks for processes"
            )
        turns = self._order.turns(epoch).tolist()
        first = epoch * len(turns) + turns.index(index)
        _allow_unparsed_flags()
        grain = self._grain
        turns_of_epochs = grain.MapDataset.source(_Turns(self._order))[first:]
        clips = turns_of_epochs.map(_Load(self._loader)).to_iter_dataset(
            grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
        )
        options = grain.MultiprocessingOptions(self._num_processes, _CLIPS_AHEAD)
        self._clips = [iter(clips.mp_prefetch(options))]
        # Also when the dataset is no longer used, or the program ends.
        self._stop = weakref.finalize(self, _end, self._clips)
        self._next = _following(self._order, epoch, turns.index(index))
        next(self._next)


def _end(clips: list[Any]) -> None:
    with contextlib.suppress(Exception):
        clips.pop().close()


def _check_copied(open_video: OpenVideo) -> None:
    import cloudpickle

    try:
        cloudpickle.dumps(open_video)
    except Exception as error:
        raise ValueError(
            "`open_video` must be a function that can be pickled for `workers`. "
            f"Received: open_video={open_video!r} ({error})"
        ) from error


def _allow_unparsed_flags() -> None:
    """Grain reads flags of absl, which only programs of absl parse."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()


def _following(
    order: EpochOrder, epoch: int, position: int
) -> Iterator[tuple[int, int]]:
    """Epochs and videos from a position of an epoch on."""
    for later in itertools.count(epoch):
        for index in order.turns(later)[position:].tolist():
            yield later, index
        position = 0


class _Turns:
    """Epochs and videos, epoch after epoch."""

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


class _Load:
    """Loads a video, in a process."""

    def __init__(self, loader: ClipLoader) -> None:
        self._loader = loader

    def __call__(self, turn: tuple[int, int]) -> _Outcome:
        epoch, index = turn
        try:
            return _Outcome(index, self._loader.load_with_times(index, epoch), None)
        except VideoError as error:
            # Without what a reader's own class of error may need to be copied.
            plain = VideoError(error.path, error.reason, error.segment)
            return _Outcome(index, None, plain)
