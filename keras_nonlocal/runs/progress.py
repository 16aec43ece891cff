"""Estimates the total training time from the first steps."""

import time
from collections.abc import Callable
from typing import Any

from keras_nonlocal.training.positions import PositionedCallback

_DAY = 24 * 60 * 60
_STEPS = 20
_SECONDS = 30.0


class ProjectedDuration(PositionedCallback):
    """A callback that announces once how long the rest of a run will take.

    The first step, which compiles the model, is not measured. The next 20 steps, or
    those within 30 seconds, are measured, including validations in between.

    Args:
        steps_per_epoch: Number of batches in an epoch.
        epochs: Number of epochs in the whole run.
        announce: Function called with the line.
        clock: Function that returns seconds.
    """

    def __init__(
        self,
        steps_per_epoch: int,
        epochs: int,
        announce: Callable[[str], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__()
        self._steps_per_epoch = steps_per_epoch
        self._total = steps_per_epoch * epochs
        self._announce = announce
        self._clock = clock
        self._epoch = 0
        self._begin: tuple[int, float] | None = None
        self._is_done = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if self._is_done:
            return
        step = self._epoch * self._steps_per_epoch + self.first_batch + batch + 1
        now = self._clock()
        if self._begin is None:
            self._begin = step, now
            return
        first, start = self._begin
        measured, seconds = step - first, now - start
        if measured < _STEPS and seconds < _SECONDS:
            return
        self._is_done = True
        remaining = (self._total - step) * seconds / measured
        if remaining > 0:
            self._announce(duration_line(remaining, seconds / measured))


def duration_line(remaining: float, seconds_per_step: float) -> str:
    """Describes the duration of the rest of a run in one line.

    Args:
        remaining: Duration of the rest, in seconds.
        seconds_per_step: Duration of a batch, in seconds.
    """
    line = f"about {in_words(remaining)} to go, at {seconds_per_step:.2g} s per batch"
    if remaining > _DAY:
        line += (
            "; this is more than a day: fewer `epochs` or `updates` shorten it, and an "
            "interrupted run is resumed"
        )
    return line


def in_words(seconds: float) -> str:
    """Returns a duration in its two largest units, such as "2 days 3 hours"."""
    units = (("day", _DAY), ("hour", 3600), ("minute", 60), ("second", 1))
    rest = max(round(seconds), 1)
    parts: list[str] = []
    for name, length in units:
        count, rest = divmod(rest, length)
        if count or parts:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part)
