"""Freezing batch normalizations, and their precise statistics in float64."""

import itertools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal.training import freeze_batch_norm, update_batch_norm_statistics
from tests.training.processes import ROOT


def two_norms() -> tuple[keras.Model, keras.Layer, keras.Layer]:
    """A model of two dense layers, each followed by a norm."""
    inputs = keras.Input((5,))
    first = keras.layers.BatchNormalization(momentum=0.7, epsilon=1e-3)
    second = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3)
    x = first(keras.layers.Dense(4, name="first")(inputs))
    x = second(keras.layers.Dense(3, name="second")(x))
    return keras.Model(inputs, keras.layers.Dropout(0.5)(x)), first, second


def affine(model: keras.Model, name: str, x: np.ndarray) -> np.ndarray:
    kernel, bias = (w.astype("float64") for w in model.get_layer(name).get_weights())
    return x @ kernel + bias


def test_statistics_are_those_of_all_batches():
    rng = np.random.default_rng()
    model, first, second = two_norms()
    # Of different sizes: the samples count, not the batches.
    batches = [rng.normal(3, 2, size=(size, 5)).astype("float32") for size in (8, 8, 3)]
    before = [model.get_layer(name).get_weights() for name in ("first", "second")]
    used = update_batch_norm_statistics(model, [(x, None) for x in batches], 10)
    assert used == 3
    inputs_of_first = [affine(model, "first", x.astype("float64")) for x in batches]
    # The second norm sees what the first one normalizes batch by batch.
    inputs_of_second = [
        affine(model, "second", (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3))
        for x in inputs_of_first
    ]
    for norm, seen in ((first, inputs_of_first), (second, inputs_of_second)):
        seen = np.concatenate(seen)
        _, _, mean, variance = norm.get_weights()
        np.testing.assert_allclose(mean, seen.mean(0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(variance, seen.var(0), rtol=1e-4, atol=1e-5)
    assert (first.momentum, second.momentum) == (0.7, 0.9)
    for name, weights in zip(("first", "second"), before, strict=True):
        for ours, theirs in zip(
            model.get_layer(name).get_weights(), weights, strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)


def test_only_so_many_batches_are_used():
    model, first, _ = two_norms()
    x = np.random.default_rng().normal(size=(6, 5)).astype("float32")
    endless = itertools.repeat(x)
    assert update_batch_norm_statistics(model, endless, num_batches=2) == 2
    expected = affine(model, "first", x.astype("float64"))
    mean = first.get_weights()[2]
    np.testing.assert_allclose(mean, expected.mean(0), rtol=1e-4, atol=1e-5)


def test_frozen_norms_keep_their_statistics():
    model, first, second = two_norms()
    first.trainable = False
    kept = first.get_weights()
    x = np.random.default_rng().normal(size=(6, 5)).astype("float32")
    update_batch_norm_statistics(model, [x])
    for ours, theirs in zip(first.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert np.abs(second.get_weights()[2]).max() > 0


@pytest.mark.parametrize("num_batches", [0, -1, True])
def test_a_number_of_batches_that_is_none_is_refused(num_batches):
    with pytest.raises(
        (TypeError, ValueError), match=f"Received: num_batches={num_batches}"
    ):
        update_batch_norm_statistics(two_norms()[0], [], num_batches)


def test_an_empty_dataset_is_refused_and_changes_nothing():
    model, first, _ = two_norms()
    with pytest.raises(ValueError, match=r"Received: dataset=\[\]"):
        update_batch_norm_statistics(model, [])
    assert first.momentum == 0.7
    np.testing.assert_array_equal(first.get_weights()[3], np.ones(4))


def test_freezing_reaches_the_norms_inside_blocks_and_models():
    backbone = keras_nonlocal.NLResNet50C2D(
        include_top=False, input_shape=(4, 32, 32, 3), width=4, nonlocal_blocks=5
    )
    inputs = keras.Input((4, 32, 32, 3))
    model = keras.Model(inputs, keras.layers.Flatten()(backbone(inputs)))
    # 53 of ResNet-50 and one per block.
    assert freeze_batch_norm(model) == 53 + 5
    block = backbone.get_layer("conv4_block2_nl")
    assert block.trainable
    assert not block.norm.trainable
    assert not backbone.get_layer("conv1_bn").trainable
    names = {variable.name for variable in model.trainable_variables}
    assert names == {"kernel", "bias"}


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_old_statistics_have_no_influence(value):
    model, first, second = two_norms()
    x = np.random.default_rng().normal(size=(6, 5)).astype("float32")
    update_batch_norm_statistics(model, [x])
    expected = model.get_weights()
    for norm in (first, second):
        norm.moving_mean.assign([value] * norm.moving_mean.shape[0])
        norm.moving_variance.assign([value] * norm.moving_mean.shape[0])
    update_batch_norm_statistics(model, [x])
    for ours, theirs in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def broken(x):
    yield x
    raise OSError("A file is missing.")


@pytest.mark.parametrize(
    ("make_dataset", "error"),
    [
        (broken, OSError),
        (lambda x: [x, x[:, :3]], ValueError),
        (lambda x: [x, x * np.nan], ValueError),
        (lambda x: [], ValueError),
    ],
)
def test_an_error_changes_nothing(make_dataset, error):
    model, first, second = two_norms()
    x = np.random.default_rng().normal(size=(6, 5)).astype("float32")
    update_batch_norm_statistics(model, [x])
    kept = [keras.ops.convert_to_numpy(v).copy() for v in model.variables]
    with pytest.raises(error):
        update_batch_norm_statistics(model, make_dataset(x * 2))
    for ours, theirs in zip(model.variables, kept, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(ours), theirs)
    assert (first.momentum, second.momentum) == (0.7, 0.9)


def test_blocks_with_frozen_statistics_keep_them():
    inputs = keras.Input((4, 6))
    block = keras_nonlocal.layers.NonLocalBlock(normalization="frozen_batch")
    norm = keras.layers.BatchNormalization()
    model = keras.Model(inputs, norm(block(inputs)))
    block.norm.moving_mean.assign([np.nan] * 6)
    block.norm.gamma.assign([0.0] * 6)
    block.norm.moving_variance.assign([3.0] * 6)
    x = np.random.default_rng().normal(size=(6, 4, 6)).astype("float32")
    with pytest.raises(ValueError, match="finite"):
        update_batch_norm_statistics(model, [x])
    block.norm.moving_mean.assign([0.1] * 6)
    update_batch_norm_statistics(model, [x])
    np.testing.assert_array_equal(block.norm.get_weights()[2], np.float32([0.1] * 6))
    np.testing.assert_array_equal(block.norm.get_weights()[3], np.float32([3.0] * 6))
    np.testing.assert_allclose(norm.get_weights()[2], x.mean((0, 1)), atol=1e-5)


def test_blocks_that_are_not_built_cannot_be_frozen_yet():
    model = keras.Sequential([keras_nonlocal.layers.NonLocalBlock(name="block")])
    with pytest.raises(ValueError, match="Received: layer='block', built=False"):
        freeze_batch_norm(model)


@pytest.mark.slow
def test_jax_takes_the_same_statistics():
    code = (
        "from tests.training import test_batch_norm as tests;"
        "tests.test_statistics_are_those_of_all_batches();"
        "tests.test_old_statistics_have_no_influence(float('nan'))"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "jax"},
    )
