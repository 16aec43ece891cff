"""Keeps the epoch and batch of a run, and checks that a call continues that run."""

import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keras_nonlocal.training.resumable.callback_memory import Memory


@dataclass
class Progress:
    """Number of finished epochs and batches, and everything else needed to resume.

    Fields that are missing in older files are `None`.

    Args:
        epoch: Number of complete epochs.
        batch: Number of batches seen in the epoch after those.
        best: Best value of the monitored log.
        logs: The logs of each complete epoch.
        stopped: Whether a callback ended the run.
        callbacks: The counters of the callbacks.
        best_epoch: The epoch that logged `best`, starting at 0.
        epochs: The last requested epoch, starting at 1.
        monitor: The log that determines the best epoch, and its mode.
        learning_rates: The optimizer's initial learning rates.
        next_clips: A description of the interrupted epoch's next batch; see
            `describe_batch`.
    """

    epoch: int = 0
    batch: int = 0
    best: float | None = None
    logs: list[dict[str, float]] = field(default_factory=list)
    stopped: bool = False
    callbacks: Memory = field(default_factory=list)
    best_epoch: int | None = None
    epochs: int | None = None
    monitor: list[str] | None = None
    learning_rates: list[float] | None = None
    next_clips: dict[str, Any] | None = None

    def check_monitor(self, monitor: str, mode: str) -> None:
        """Checks that the run still monitors the same log.

        Raises:
            ValueError: If the run monitors a different log or has a different mode.
        """
        if self.best is None or self.monitor in (None, [monitor, mode]):
            return
        raise ValueError(
            "`monitor` and `mode` must stay the same in a run, because "
            f"`best.weights.h5` was chosen by {self.monitor}. "
            f"Received: monitor={monitor!r}, mode={mode!r}"
        )

    def ask_for(self, epochs: int) -> None:
        """Updates the progress for the number of epochs of a call.

        After an early stop, more epochs than before resume the run and reset the
        patience of callbacks. With the same number of epochs, the run stays finished.
        """
        if self.stopped and self.epochs is not None and epochs > self.epochs:
            self.stopped = False
            for row in self.callbacks:
                row.update(dict.fromkeys(("wait", "stopped_epoch") & row.keys(), 0))
        if not self.stopped:
            self.epochs = epochs

    def find_place(self, clips: Any, check_files: bool = True) -> None:
        """Finds the saved position in clips that may have another batch size.

        The epoch resumes with the batch that contains the next clip.

        Args:
            clips: The training data.
            check_files: Whether this worker saved the position.

        Raises:
            ValueError: If the order of the clips has changed.
        """
        if not self.batch or self.next_clips is None:
            return
        size = self.next_clips["batch_size"]
        now = describe_batch(clips, self.epoch, self.batch, with_files=False)
        if now is None:
            return
        seen = self.batch * size
        self.batch, is_shared = divmod(seen, now["batch_size"])
        files = self.next_clips["files"] if check_files else None
        if not self.batch or is_shared or files is None:
            return
        now = describe_batch(clips, self.epoch, self.batch)
        if now is not None and now["files"] != files:
            raise ValueError(
                "`clips` must list the same videos in the same order as before, with "
                "the same `seed`, until the interrupted epoch is complete. Received: "
                f"a different file after {seen} clips of epoch {self.epoch}"
            )


def describe_batch(
    clips: Any, epoch: int, batch: int, with_files: bool = True
) -> dict[str, Any] | None:
    """Returns properties that identify a batch in a later process.

    Args:
        clips: The training data.
        epoch: The epoch, starting at 0.
        batch: The batch of the epoch, starting at 0.
        with_files: Whether to include the batch's first file. Its name differs between
            processes if videos were skipped.

    Returns:
        `"batch_size"`, of all workers together, and a checksum `"files"`; `None` if the
        data do not provide them.
    """
    if not hasattr(clips, "batch_paths"):
        return None
    # Batches of which videos are left out may have fewer.
    batch_size = getattr(clips, "batch_size", None) or len(clips.batch_paths(epoch, 0))
    if not batch_size:
        return None
    names = [os.path.basename(path) for path in clips.batch_paths(epoch, batch)[:1]]
    checksum = zlib.crc32(os.fsencode(names[0])) if names and with_files else None
    batch_size *= getattr(clips, "num_shards", 1)
    return {"batch_size": batch_size, "files": checksum}


def parsed_progress(values: Mapping[str, Any]) -> Progress:
    """Returns the progress in a file of this version or an older one.

    Raises:
        TypeError: If the file has fields that this version does not know.
    """
    return Progress(**values)
