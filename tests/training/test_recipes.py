"""The recipes' figures, and what they do to weights."""

import math

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal.training import (
    gradient_l2,
    nesterov_sgd,
    scaled_learning_rate,
    step_schedule,
    warmup_cosine_schedule,
)

MSE = "mean_squared_error"


def to_numpy(value):
    return keras.ops.convert_to_numpy(value)


def test_the_rate_grows_with_the_clips_per_update():
    assert scaled_learning_rate(64) == 0.01
    assert scaled_learning_rate(16) == 0.0025
    assert scaled_learning_rate(512, 0.1) == pytest.approx(0.8)


def test_the_papers_steps():
    schedule = step_schedule(0.01)
    for step, rate in (
        (0, 1e-2),
        (149_999, 1e-2),
        (150_000, 1e-3),
        (299_999, 1e-3),
        (300_000, 1e-4),
        (399_999, 1e-4),
    ):
        assert float(schedule(step)) == pytest.approx(rate, rel=1e-5)


def test_steps_in_epochs_and_under_accumulation():
    in_epochs = step_schedule(1.0, (44, 88), steps_per_epoch=10, factor=0.5)
    assert [float(in_epochs(s)) for s in (439, 440, 879, 880)] == [1, 0.5, 0.5, 0.25]
    of_updates = step_schedule(1.0, (3,), gradient_accumulation_steps=4)
    assert [float(of_updates(s)) for s in (11, 12)] == pytest.approx([1, 0.1])


def test_an_accumulating_optimizer_changes_the_rate_after_the_stated_updates():
    schedule = step_schedule(1.0, (2,), gradient_accumulation_steps=3)
    optimizer = nesterov_sgd(schedule, momentum=0.0, gradient_accumulation_steps=3)
    weight = keras.Variable(0.0)
    optimizer.build([weight])
    seen = []
    for _ in range(9):
        optimizer.apply([keras.ops.convert_to_tensor(-1.0)])
        seen.append(float(to_numpy(weight)))
    assert seen == pytest.approx([0, 0, 1, 1, 1, 2, 2, 2, 2.1])


def test_warmup_and_cosine_follow_their_formula():
    schedule = warmup_cosine_schedule(
        0.1, 5, epochs=20, warmup_epochs=4, warmup_start=0.2, final=0.05
    )
    for step in range(101):
        if step < 20:
            expected = 0.02 + 0.08 * step / 20
        else:
            wave = (1 + math.cos(math.pi * (step - 20) / 80)) / 2
            expected = 0.1 * (0.05 + 0.95 * wave)
        assert float(schedule(step)) == pytest.approx(expected, rel=1e-5)
    no_warmup = warmup_cosine_schedule(0.1, 5, epochs=4, warmup_epochs=0)
    assert float(no_warmup(0)) == pytest.approx(0.1)
    assert float(no_warmup(10)) == pytest.approx(0.05)


def test_l2_adds_the_decayed_kernel_to_the_gradient():
    weight = np.random.default_rng(0).normal(size=(3, 2)).astype("float32")
    clip = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")
    target = np.random.default_rng(2).normal(size=(5, 2)).astype("float32")
    dense = keras.layers.Dense(2, kernel_regularizer=gradient_l2(0.3))
    model = keras.Sequential([keras.Input((3,)), dense])
    dense.kernel.assign(weight)
    dense.bias.assign([0.5, -0.5])
    model.compile(keras.optimizers.SGD(1.0), MSE, jit_compile=False)
    model.train_on_batch(clip, target)
    x, w = clip.astype("float64"), weight.astype("float64")
    error = 2 * (x @ w + [0.5, -0.5] - target) / target.size
    expected = w - (x.T @ error + 0.3 * w)
    np.testing.assert_allclose(to_numpy(dense.kernel), expected, rtol=1e-5, atol=1e-6)
    expected_bias = np.array([0.5, -0.5]) - error.sum(axis=0)
    np.testing.assert_allclose(to_numpy(dense.bias), expected_bias, rtol=1e-5)


def test_a_builders_l2_spares_biases_and_batch_normalization():
    model = keras_nonlocal.NLResNet50C2D(
        input_shape=(4, 32, 32, 3),
        classes=3,
        width=4,
        nonlocal_blocks=1,
        kernel_regularizer=gradient_l2(1e-4),
    )
    regularized = {v.path for v in model.trainable_weights if v.regularizer}
    kernels = {v.path for v in model.trainable_weights if v.path.endswith("kernel")}
    assert regularized == kernels
    squares = sum(
        float(np.sum(np.square(to_numpy(v), dtype="float64")))
        for v in model.trainable_weights
        if v.path in kernels
    )
    assert float(sum(map(to_numpy, model.losses))) == pytest.approx(
        0.5e-4 * squares, rel=1e-5
    )


def test_nesterov_is_that_of_the_released_code():
    rng = np.random.default_rng(3)
    gradients = rng.normal(size=(4, 3))
    weight = keras.Variable(np.ones(3, "float32"))
    optimizer = nesterov_sgd(0.2)
    optimizer.build([weight])
    expected, velocity = np.ones(3), np.zeros(3)
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")])
        previous, velocity = velocity, 0.9 * velocity + 0.2 * gradient
        expected -= 1.9 * velocity - 0.9 * previous
    np.testing.assert_allclose(to_numpy(weight), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scaled_learning_rate(0), "`batch_size` .* Received: batch_size=0"),
        (lambda: step_schedule(0.1, (3, 3)), r"increase. Received: boundaries=\(3, 3"),
        (lambda: step_schedule(-1), "`learning_rate` must be a positive number"),
        (
            lambda: warmup_cosine_schedule(0.1, 5, epochs=3, warmup_epochs=3),
            "Received: warmup_epochs=3, epochs=3",
        ),
        (lambda: gradient_l2(-1e-4), "Received: weight_decay=-0.0001"),
    ],
)
def test_wrong_figures_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
