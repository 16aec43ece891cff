"""Statistics: against SciPy, and by hand."""

import numpy as np
import pytest
from scipy import stats

from keras_nonlocal.experiments.statistics import (
    Cell,
    compare,
    holm,
    mean_interval,
    paired_p,
    verdict,
)


def test_hand_made_example():
    # Differences 0.2, 0.3, 0.4: mean 0.3, s = 0.1, t = 0.3 / (0.1 / √3) = 5.196. With
    # 2 degrees of freedom, p = 1 − t / √(t² + 2) = 0.03510, and the 97.5 % quantile is
    # 4.3027, so the margin is 0.2484.
    better = {1: 0.9, 2: 0.8, 3: 0.95}
    worse = {1: 0.7, 2: 0.5, 3: 0.55}
    (difference,) = compare([(better, worse)])
    assert difference.seeds == (1, 2, 3)
    assert difference.mean == pytest.approx(0.3)
    assert difference.interval == pytest.approx((0.0516, 0.5484), abs=1e-4)
    assert difference.p == pytest.approx(0.03510, abs=1e-5)
    assert difference.verdict == "seen"
    # As one of two claims, it is worth twice its p-value.
    first, second = compare([(better, worse), (worse, worse)])
    assert first.corrected_p == pytest.approx(0.07020, abs=1e-5)
    assert first.verdict == second.verdict == "not distinguishable"
    assert compare([(worse, better)])[0].verdict == "opposite"


def test_p_values_and_intervals_are_those_of_scipy(rng):
    for count in (2, 3, 5, 8):
        left, right = rng.normal(size=(2, count))
        result = stats.ttest_rel(left, right)
        if count > 2:
            assert paired_p(left - right) == pytest.approx(result.pvalue)
        expected = result.confidence_interval(0.95)
        assert mean_interval(left - right) == pytest.approx(
            (expected.low, expected.high)
        )


def test_holm_agrees_with_its_definition(rng):
    p = rng.random(7) ** 3
    corrected = holm(list(p))
    order = np.argsort(p)
    for rank, index in enumerate(order):
        earlier = [min(1, p[order[k]] * (7 - k)) for k in range(rank + 1)]
        assert corrected[index] == pytest.approx(max(earlier))


def test_one_seed_has_no_interval_and_no_verdict():
    (difference,) = compare([({1: 1.0}, {1: 0.0})])
    assert difference.interval is difference.p is difference.corrected_p is None
    assert difference.verdict == "not distinguishable"
    assert Cell.of([0.5]).deviation is Cell.of([0.5]).interval() is None


def test_two_seeds_have_an_interval_but_no_verdict(rng):
    # Two multiples of 1/480 are often equal, and then a t-test would be certain.
    scores = rng.integers(200, 280, (2, 2)) / 480
    (difference,) = compare([tuple(dict(enumerate(row)) for row in scores)])
    assert difference.interval is not None
    assert difference.p is difference.corrected_p is None
    (equal,) = compare([({1: 241 / 480, 2: 251 / 480}, {1: 0.5, 2: 250 / 480})])
    assert equal.verdict == "not distinguishable"


def test_only_common_seeds_are_compared():
    (difference,) = compare([({1: 1.0, 2: 0.5, 4: 0.6}, {2: 0.4, 3: 0.0, 4: 0.5})])
    assert difference.seeds == (2, 4)
    assert difference.mean == pytest.approx(0.1)
    with pytest.raises(ValueError, match=r"Received: seeds=\[1\] and \[2\]"):
        compare([({1: 1.0}, {2: 1.0})])


def test_equal_differences_are_certain():
    assert paired_p([0.25, 0.25, 0.25]) == 0
    assert paired_p([0.0, 0.0, 0.0]) == 1
    assert verdict(0.0, 0.0) == "not distinguishable"


def test_cell():
    cell = Cell.of([0.5, 0.7, 0.9])
    assert cell.mean == pytest.approx(0.7)
    assert cell.deviation == pytest.approx(0.2)
    assert cell.values == (0.5, 0.7, 0.9)
