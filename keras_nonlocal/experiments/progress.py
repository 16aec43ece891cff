"""Progress of many runs, and when they will have ended."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from keras_nonlocal.experiments.plans import AnyTraining
from keras_nonlocal.experiments.run_folder import RunFolder


@dataclass
class Progress:
    """Finished work, in units of `Training.cost`.

    Args:
        folder: The folder of runs, in which other machines may work, too.
        plan: Training runs and their seeds.
        began: The time on the monotonic clock at the start.
    """

    folder: RunFolder
    plan: Mapping[AnyTraining, tuple[int, ...]]
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._fractions: dict[tuple[str, int], float] = {}
        self._at_start = self._finished_cost()

    @property
    def total(self) -> int:
        """Number of runs."""
        return sum(map(len, self.plan.values()))

    @property
    def finished(self) -> int:
        """Number of finished runs."""
        return sum(
            self.folder.is_done(training, seed)
            for training, seeds in self.plan.items()
            for seed in seeds
        )

    def update(self, run: str, seed: int, fraction: float) -> None:
        """Notes the finished fraction of a run."""
        self._fractions[run, seed] = fraction

    def remaining_seconds(self, now: float | None = None) -> float | None:
        """Returns the projected time to the end, or `None` before any work is done."""
        now = time.monotonic() if now is None else now
        done = self._finished_cost()
        if done <= self._at_start:
            return None
        speed = (done - self._at_start) / (now - self.began)
        total = sum(training.cost * len(seeds) for training, seeds in self.plan.items())
        return (total - done) / speed

    def line(self) -> str:
        """Returns one line on the progress."""
        remaining = self.remaining_seconds()
        text = f"{self.finished} of {self.total} runs"
        if remaining is None:
            return text
        end = time.strftime("%H:%M", time.localtime(time.time() + remaining))
        return f"{text}, about {duration(remaining)} left, until {end}"

    def _finished_cost(self) -> float:
        return sum(
            training.cost
            * (
                1.0
                if self.folder.is_done(training, seed)
                else self._fractions.get((training.key, seed), 0.0)
            )
            for training, seeds in self.plan.items()
            for seed in seeds
        )


def duration(seconds: float) -> str:
    """Returns a duration for people.

    Example:

    >>> from keras_nonlocal.experiments.progress import duration
    >>> duration(42), duration(400), duration(9000)
    ('42 s', '7 min', '2 h 30 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
