"""Learning rates of detectors: a short warm-up, then steps."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
from keras import ops

from keras_nonlocal.arguments import (
    check_choice,
    check_positive_integer,
    check_positive_number,
)
from keras_nonlocal.tensors import Tensor
from keras_nonlocal.training.recipes import scaled_learning_rate

ScheduleName = Literal["1x", "2x", "s1x"]
DETECTOR_LEARNING_RATE = 0.02
DETECTOR_BATCH_SIZE = 16
_WARMUP_UPDATES = 500
# Of a run that is shorter than those of the table.
_LONGEST_WARMUP = 0.1


@dataclass(frozen=True)
class DetectorSchedule:
    """A published schedule, for 16 pictures per update.

    Attributes:
        updates: Number of updates of the weights.
        boundaries: Numbers of updates after which the rate is divided by 10.
    """

    updates: int
    boundaries: tuple[int, ...]


DETECTOR_SCHEDULES: dict[str, DetectorSchedule] = {
    "1x": DetectorSchedule(90_000, (60_000, 80_000)),
    "2x": DetectorSchedule(180_000, (120_000, 160_000)),
    "s1x": DetectorSchedule(130_000, (100_000, 120_000)),
}
"""The schedules of Detectron, by name. `detector_schedule` takes the names."""


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class WarmupStepSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Raises the learning rate linearly, and later divides it in steps.

    Args:
        learning_rate: The rate after the warm-up.
        boundaries: Steps from which the rate is multiplied by `factor` again.
        warmup_steps: Length of the warm-up.
        warmup_start: Initial rate, as a fraction of `learning_rate`. Defaults to `1/3`.
        factor: Factor at each boundary. Defaults to `0.1`.

    Raises:
        ValueError: If the boundaries do not increase or a number is out of bounds.

    Example:

    >>> from keras_nonlocal.training import WarmupStepSchedule
    >>> schedule = WarmupStepSchedule(0.03, (100, 200), warmup_steps=10)
    >>> [round(float(schedule(step)), 5) for step in (0, 5, 10, 99, 100, 200)]
    [0.01, 0.02, 0.03, 0.03, 0.003, 0.0003]
    """

    def __init__(
        self,
        learning_rate: float,
        boundaries: Sequence[int],
        warmup_steps: int,
        warmup_start: float = 1 / 3,
        factor: float = 0.1,
    ) -> None:
        super().__init__()
        check_positive_number("learning_rate", learning_rate)
        check_positive_number("factor", factor)
        if not 0 < warmup_start <= 1:
            raise ValueError(
                "`warmup_start` must be more than 0 and at most 1. "
                f"Received: warmup_start={warmup_start!r}"
            )
        steps = [warmup_steps, *boundaries]
        if warmup_steps < 0 or any(b <= a for a, b in itertools.pairwise(steps)):
            raise ValueError(
                "`boundaries` must increase and be greater than `warmup_steps`, which "
                "is at least 0. "
                f"Received: boundaries={tuple(boundaries)}, warmup_steps={warmup_steps}"
            )
        self.learning_rate = learning_rate
        self.boundaries = tuple(int(step) for step in boundaries)
        self.warmup_steps = int(warmup_steps)
        self.warmup_start = warmup_start
        self.factor = factor

    def __call__(self, step: Any) -> Tensor:
        """Returns the rate of a step, counted from 0."""
        step = ops.cast(step, "float32")
        rate = ops.full((), self.learning_rate, "float32")
        if self.warmup_steps:
            share = ops.minimum(step / self.warmup_steps, 1.0)
            rate = rate * (self.warmup_start + (1 - self.warmup_start) * share)
        for boundary in self.boundaries:
            rate = rate * ops.where(step >= boundary, self.factor, 1.0)
        return rate

    def get_config(self) -> dict[str, Any]:
        """The arguments of the schedule, for saving."""
        return {
            "learning_rate": self.learning_rate,
            "boundaries": list(self.boundaries),
            "warmup_steps": self.warmup_steps,
            "warmup_start": self.warmup_start,
            "factor": self.factor,
        }


def detector_schedule(
    name: ScheduleName = "1x",
    batch_size: int = DETECTOR_BATCH_SIZE,
    *,
    updates: int | None = None,
    learning_rate: float = DETECTOR_LEARNING_RATE,
    gradient_accumulation_steps: int = 1,
) -> WarmupStepSchedule:
    """Returns a published schedule of Mask R-CNN for any number of pictures per update.

    The rate is scaled linearly with the number of pictures per update, and the number
    of updates so that as many pictures are seen. In the first 500 updates, but at most
    in a tenth of them, the rate rises from a third.

    Args:
        name: `"1x"`, 90,000 updates with steps after 60,000 and 80,000; `"2x"`, twice
            as many; or `"s1x"`, 130,000 with steps after 100,000 and 120,000. Defaults
            to `"1x"`. The schedule of the paper's section 6 is not known.
        batch_size: Number of pictures per update of the weights, over all replicas and
            accumulated batches. Defaults to `16`.
        updates: Length of the run in updates, to which the steps are scaled. Defaults
            to `None`, that of the schedule.
        learning_rate: The rate for 16 pictures per update. Defaults to `0.02`.
        gradient_accumulation_steps: Number of batches per update. Optimizers advance
            schedules once per batch. Defaults to `1`.

    Returns:
        A `WarmupStepSchedule`.

    Raises:
        ValueError: If the name is unknown or a number is not positive.

    Example:

    >>> schedule = keras_nonlocal.training.detector_schedule("1x", batch_size=8)
    >>> [round(float(schedule(step)), 6) for step in (0, 500, 120_000, 160_000)]
    [0.003333, 0.01, 0.001, 0.0001]

    References:
        `configs/12_2017_baselines` and `SOLVER.WARM_UP_ITERS` in
        https://github.com/facebookresearch/Detectron.
    """
    check_choice("name", name, tuple(DETECTOR_SCHEDULES))
    batch_size = check_positive_integer("batch_size", batch_size)
    row = DETECTOR_SCHEDULES[name]
    if updates is None:
        updates = scaled_updates(name, batch_size)
    updates = check_positive_integer("updates", updates)
    per_update = check_positive_integer(
        "gradient_accumulation_steps", gradient_accumulation_steps
    )
    warmup = min(_WARMUP_UPDATES, int(_LONGEST_WARMUP * updates))
    # In a run of a few steps, some of the rates cover no step.
    ends = {round(end / row.updates * updates) for end in row.boundaries}
    return WarmupStepSchedule(
        scaled_learning_rate(batch_size, learning_rate, DETECTOR_BATCH_SIZE),
        [end * per_update for end in sorted(ends) if end > warmup],
        warmup * per_update,
    )


def scaled_updates(name: ScheduleName, batch_size: int) -> int:
    """Returns the number of updates with which a schedule sees as many pictures."""
    return round(DETECTOR_SCHEDULES[name].updates * DETECTOR_BATCH_SIZE / batch_size)
