"""Statistics of paired training runs, and the rule for verdicts.

The seed of a run fixes its clips, their order and the initial values for all rows of a
table, so differences between rows are paired by seed. The rule was fixed before any run
was evaluated: a claim is

- `"seen"` if the mean difference is positive and the p-value of the two-sided paired
  t-test, corrected with Holm's method over all claims of the table, is below 0.05,
- `"opposite"` if the mean difference is negative and that p-value is below 0.05,
- `"not distinguishable"` in all other cases, also with fewer than three seeds.

Accuracies are multiples of one clip. Two differences are therefore often equal by
chance, and would seem to have no spread at all.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from keras_nonlocal.optional_packages import import_scipy_stats

LEVEL = 0.05
FEWEST_SEEDS = 3
Verdict = Literal["seen", "not distinguishable", "opposite"]


@dataclass(frozen=True)
class Cell:
    """The values of one row.

    Args:
        values: One value per seed.
        mean: Their mean.
        deviation: Their standard deviation, with n − 1, or `None` for one seed.
    """

    values: tuple[float, ...]
    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Cell":
        """Summarizes values."""
        return cls(
            tuple(values),
            float(np.mean(values)),
            float(np.std(values, ddof=1)) if len(values) > 1 else None,
        )

    def interval(self) -> tuple[float, float] | None:
        """Returns the 95 % t interval of the mean, or `None` for one seed."""
        return mean_interval(self.values)


@dataclass(frozen=True)
class Difference:
    """A paired difference between two rows.

    Args:
        seeds: The seeds that both rows have.
        mean: The mean difference.
        interval: Its 95 % t interval, or `None` for one seed.
        p: The p-value of the two-sided paired t-test, or `None` for fewer than three
            seeds.
        corrected_p: The p-value after Holm's correction, or `None`.
        verdict: The verdict.
    """

    seeds: tuple[int, ...]
    mean: float
    interval: tuple[float, float] | None
    p: float | None
    corrected_p: float | None
    verdict: Verdict


def mean_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Returns the 95 % t interval of the mean of values, or `None` for fewer than two.

    Example:

    >>> from keras_nonlocal.experiments.statistics import mean_interval
    >>> low, high = mean_interval([1.0, 2.0, 3.0])
    >>> round(low, 3), round(high, 3)
    (-0.484, 4.484)
    """
    count = len(values)
    if count < 2:
        return None
    quantile = float(import_scipy_stats().t.ppf(1 - LEVEL / 2, count - 1))
    mean = float(np.mean(values))
    margin = quantile * float(np.std(values, ddof=1)) / math.sqrt(count)
    return mean - margin, mean + margin


def paired_p(differences: Sequence[float]) -> float | None:
    """Returns the p-value of the two-sided t-test of paired differences.

    Args:
        differences: One difference per seed.

    Returns:
        The p-value, or `None` for fewer than three differences. If all are equal, it is
        0 unless they are 0, and then it is 1.
    """
    if len(differences) < FEWEST_SEEDS:
        return None
    if np.ptp(differences) == 0:
        return float(differences[0] == 0)
    return float(import_scipy_stats().ttest_1samp(differences, 0).pvalue)


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Returns p-values after Holm's step-down correction.

    Args:
        p_values: The p-values of a family of tests. `None` is no test.

    Example:

    >>> from keras_nonlocal.experiments.statistics import holm
    >>> holm([0.01, 0.04, None, 0.03])
    (0.03, 0.06, None, 0.06)
    """
    tested = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(tested):
        largest = max(largest, min(1.0, p * (len(tested) - rank)))
        corrected[index] = largest
    return tuple(corrected)


def compare(
    pairs: Sequence[tuple[Mapping[int, float], Mapping[int, float]]],
) -> tuple[Difference, ...]:
    """Compares pairs of rows that form one family of tests.

    Args:
        pairs: For each claim, the values of the row that it calls better and those of
            the other one, by seed.

    Returns:
        The differences in the same order.

    Raises:
        ValueError: If two rows have no seed in common.
    """
    differences = [_differences(better, worse) for better, worse in pairs]
    p_values = [paired_p(list(each.values())) for each in differences]
    return tuple(
        Difference(
            tuple(each),
            float(np.mean(list(each.values()))),
            mean_interval(list(each.values())),
            p,
            corrected,
            verdict(float(np.mean(list(each.values()))), corrected),
        )
        for each, p, corrected in zip(
            differences, p_values, holm(p_values), strict=True
        )
    )


def verdict(mean: float, corrected_p: float | None) -> Verdict:
    """Returns the verdict on a claim; see the module for the rule."""
    if corrected_p is None or not corrected_p < LEVEL or mean == 0:
        return "not distinguishable"
    return "seen" if mean > 0 else "opposite"


def _differences(
    better: Mapping[int, float], worse: Mapping[int, float]
) -> dict[int, float]:
    seeds = sorted(better.keys() & worse.keys())
    if not seeds:
        raise ValueError(
            "Two rows must have a seed in common. "
            f"Received: seeds={sorted(better)} and {sorted(worse)}"
        )
    return {seed: better[seed] - worse[seed] for seed in seeds}
