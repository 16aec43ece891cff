"""Timestamps that are too close are not believed, those of real recordings are."""

import numpy as np
import pytest

from keras_nonlocal.data.readers.crowded_times import without_crowded_times
from keras_nonlocal.data.readers.timeline import UNKNOWN

STEP = 3003.0


def kept(times: np.ndarray, sources: np.ndarray | None = None) -> np.ndarray:
    times = np.asarray(times, np.int64)
    if sources is None:
        sources = np.arange(len(times))
    return without_crowded_times(times, sources, STEP)


@pytest.fixture
def steady() -> np.ndarray:
    return (np.arange(60) * STEP).astype(np.int64) + 777


def test_a_count_that_is_ahead_is_not_believed(steady: np.ndarray) -> None:
    times = steady.copy()
    times[20:26] += round(STEP)
    (unknown,) = np.nonzero(kept(times) == UNKNOWN)
    # The last one of two equal timestamps belongs to the frame.
    assert unknown.tolist() == [20, 21, 22, 23, 24, 25]


def test_the_last_of_equal_timestamps_in_the_file_remains(steady: np.ndarray) -> None:
    times, sources = steady.copy(), np.arange(60)
    sources[[10, 11]] = 11, 10
    times[11] = times[10]
    assert np.flatnonzero(kept(times, sources) == UNKNOWN).tolist() == [11]
    times[30] = times[31]
    assert np.flatnonzero(kept(times, sources) == UNKNOWN).tolist() == [11, 30]


def test_unknown_timestamps_stay_unknown(steady: np.ndarray) -> None:
    times = steady.copy()
    times[5::3] = UNKNOWN
    times[33] -= round(STEP)
    expected = times.copy()
    expected[33] = UNKNOWN
    np.testing.assert_array_equal(kept(times), expected)
    assert (kept(np.full(4, UNKNOWN)) == UNKNOWN).all()


@pytest.mark.parametrize("kind", ["film", "dropped", "gap", "slow", "rounded"])
def test_real_recordings_keep_their_times(kind: str) -> None:
    rng = np.random.default_rng()
    steps = {
        # A film is shown for two and three fields in turn.
        "film": np.resize([1, 1.5], 500),
        "dropped": rng.choice([1, 1, 1, 2, 3], 500),
        "gap": np.where(np.arange(500) == 240, 250, 1),
        "slow": np.full(500, 2.5),
        "rounded": np.ones(500),
    }[kind]
    times = np.cumsum(steps) * STEP
    if kind == "rounded":
        times = 90 * np.round(times / 90)
    times = np.round(times).astype(np.int64)
    np.testing.assert_array_equal(kept(times), times)


def test_a_wrong_rate_changes_nothing() -> None:
    times = (np.arange(80) * STEP / 3).astype(np.int64)
    np.testing.assert_array_equal(kept(times), times)
