"""The published schedules of detectors, and what they become for other batches."""

import itertools

import keras
import numpy as np
import pytest

from keras_nonlocal.training import (
    DETECTOR_SCHEDULES,
    WarmupStepSchedule,
    detector_schedule,
)
from keras_nonlocal.training.detector_schedules import scaled_updates


@pytest.mark.parametrize("name", DETECTOR_SCHEDULES)
def test_the_published_rates(name):
    schedule = detector_schedule(name)
    row = DETECTOR_SCHEDULES[name]
    first, second = row.boundaries
    expected = {0: 0.02 / 3, 250: 0.02 * 2 / 3, 500: 0.02, first - 1: 0.02}
    expected |= {first: 2e-3, second - 1: 2e-3, second: 2e-4, row.updates: 2e-4}
    for step, rate in expected.items():
        np.testing.assert_allclose(float(schedule(step)), rate, rtol=1e-5)


@pytest.mark.parametrize(
    ("batch_size", "accumulated", "updates"),
    [(2, 1, None), (4, 2, None), (16, 1, 50), (8, 3, 700), (1, 1, 3)],
)
def test_other_batches_and_lengths(batch_size, accumulated, updates):
    schedule = detector_schedule(
        "2x",
        batch_size,
        updates=updates,
        gradient_accumulation_steps=accumulated,
    )
    total = scaled_updates("2x", batch_size) if updates is None else updates
    if updates is None:
        assert total * batch_size == 180_000 * 16
    rates = [
        float(schedule(step * accumulated))
        for step in range(0, total, 1 + total // 999)
    ]
    top = 0.02 * batch_size / 16
    np.testing.assert_allclose(max(rates), top, rtol=1e-5)
    # It rises, and then never rises again.
    peak = int(np.argmax(rates))
    assert all(b >= a for a, b in itertools.pairwise(rates[: peak + 1]))
    assert all(b <= a for a, b in itertools.pairwise(rates[peak:]))
    for share, factor in ((0.5, 1), (0.75, 0.1), (0.95, 0.01)):
        step = int(share * total)
        if total > 20:
            rate = float(schedule(step * accumulated))
            np.testing.assert_allclose(rate, top * factor, rtol=1e-5)


def test_a_schedule_is_saved_with_the_optimizer(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    schedule = WarmupStepSchedule(0.3, (4, 9), warmup_steps=2, warmup_start=0.5)
    model.compile(keras.optimizers.SGD(schedule), "mse")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    own = loaded.optimizer._learning_rate
    for step in range(12):
        assert float(own(step)) == float(schedule(step))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.1, (5, 5), 0), "`boundaries` must increase"),
        ((0.1, (5, 9), 5), r"Received: boundaries=\(5, 9\), warmup_steps=5"),
        ((0.1, (5, 9), -1), "warmup_steps=-1"),
        ((0.0, (5, 9), 1), "`learning_rate`"),
        ((0.1, (5, 9), 1, 0.0), "`warmup_start` must be more than 0"),
        ((0.1, (5, 9), 1, 0.5, -2.0), "`factor`"),
    ],
)
def test_schedules_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        WarmupStepSchedule(*arguments)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"`name` must be .*Received: name='3x'"):
        detector_schedule("3x")
