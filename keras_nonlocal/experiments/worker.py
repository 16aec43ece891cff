"""The process that trains: `python -m keras_nonlocal.experiments.worker`.

It reads a line of JSON, the folder and the plan, from its standard input, and writes a
line of JSON for each event to its standard output. It ends when its standard input is
closed, and so does not survive a killed parent.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from keras_nonlocal.experiments.plans import AnyTraining, training_from_dict
from keras_nonlocal.experiments.run_folder import RunFolder
from keras_nonlocal.files import InUseError, lock

if TYPE_CHECKING:
    from keras_nonlocal.experiments.clip_training import ClipTrainer
    from keras_nonlocal.experiments.rank_trainer import RankTrainer

Plan = Sequence[tuple[AnyTraining, Sequence[int]]]
Report = Callable[[AnyTraining, int, float], None]


def main() -> None:
    """Works on the plan in the standard input."""
    # Ctrl-C reaches all processes of a terminal; the parent closes the input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, args=(sys.stdin,), daemon=True).start()
    # Whatever libraries print must not mix with the events.
    events = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)

    def report(training: AnyTraining, seed: int, fraction: float) -> None:
        event = {"run": training.key, "seed": seed, "fraction": fraction}
        print(json.dumps(event), file=events)

    plan = [(training_from_dict(values), seeds) for values, seeds in order["plan"]]
    _use_threads(order["threads"])
    work_on(RunFolder(order["folder"]), plan, report)


def work_on(folder: RunFolder, plan: Plan, report: Report) -> None:
    """Trains all runs of a plan that no other process works on.

    The seeds of a row share a traced graph. Processes therefore begin with different
    rows, and share one only when no other is left.

    Args:
        folder: The folder.
        plan: Training runs and their seeds.
        report: Called with the run, the seed and the finished fraction of the run.
    """
    for training, seeds in plan:
        with suppress(InUseError), folder.claimed_for_all_seeds(training):
            _RowOfRuns(folder, training, report).work_on(seeds)
    for training, seeds in plan:
        _RowOfRuns(folder, training, report).work_on(seeds)


class _RowOfRuns:
    """The runs of one row."""

    def __init__(
        self, folder: RunFolder, training: AnyTraining, report: Report
    ) -> None:
        self._folder = folder
        self._training = training
        self._report = report
        self._trainer: ClipTrainer | RankTrainer | None = None

    def work_on(self, seeds: Sequence[int]) -> None:
        """Trains the seeds that are neither finished nor in use."""
        for seed in seeds:
            if not self._folder.is_done(self._training, seed):
                with suppress(InUseError):
                    self.work_on_seed(seed, waits=False)

    def work_on_seed(self, seed: int, *, waits: bool) -> None:
        """Trains a seed unless it is finished, after the runs that it starts from."""
        training, folder = self._training, self._folder
        with folder.claimed(training, seed, waits=waits):
            if folder.is_done(training, seed):
                return
            if training.continues is not None:
                source = _RowOfRuns(folder, training.continues, self._report)
                source.work_on_seed(seed, waits=True)
            trainer = self._made_trainer()
            starts = trainer.starts
            if starts is not None:
                with lock(starts.file(seed), "folder", waits=True):
                    if not starts.file(seed).exists():
                        starts.train(seed)
            result = trainer.run(
                seed, lambda fraction: self._report(training, seed, 0.99 * fraction)
            )
            folder.write(training, seed, result)
        self._report(training, seed, 1.0)

    def _made_trainer(self) -> "ClipTrainer | RankTrainer":
        if self._trainer is None:
            import keras

            # The graphs of the previous row.
            keras.backend.clear_session()
            self._trainer = self._training.trainer(self._folder.weights)
        return self._trainer


def _use_threads(threads: int) -> None:
    import keras

    if keras.backend.backend() == "tensorflow":
        from keras_nonlocal.optional_packages import import_tensorflow

        threading_options: Any = import_tensorflow().config.threading
        threading_options.set_intra_op_parallelism_threads(threads)
        threading_options.set_inter_op_parallelism_threads(threads)


def _end_with_parent(stream: TextIO) -> None:
    stream.read()
    os._exit(1)


if __name__ == "__main__":
    main()
