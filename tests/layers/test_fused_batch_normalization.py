"""Against Keras's own batch normalization, values, gradients and statistics."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_nonlocal.layers import FusedBatchNormalization
from tests.layers.gradients import (
    as_numpy,
    block_value_and_gradients,
    variable_name,
)

SHAPES = [(6, 3), (2, 5, 3), (2, 3, 4, 3), (2, 2, 3, 4, 3)]


def pair(rng, shape, **options):
    """Keras's layer and ours with the same random weights."""
    made = [
        cls(momentum=0.8, epsilon=1e-3, **options)
        for cls in (layers.BatchNormalization, FusedBatchNormalization)
    ]
    for layer in made:
        layer.build(shape)
    weights = [rng.uniform(0.5, 2, size=w.shape) for w in made[0].get_weights()]
    for layer in made:
        layer.set_weights(weights)
    return made


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_is_keras_batch_normalization(rng, shape, training):
    expected, found = pair(rng, shape)
    x = np.float32(rng.normal(1, 2, size=shape))
    upstream = np.float32(rng.normal(size=shape))
    values, gradients = [], []
    for layer in (expected, found):
        value, gradient = block_value_and_gradients(layer, x, upstream, training)
        values.append(value)
        gradients.append(gradient)
    np.testing.assert_allclose(values[1], values[0], rtol=1e-4, atol=1e-5)
    assert set(gradients[1]) == set(gradients[0]) >= {"inputs", "gamma", "beta"}
    for name, array in gradients[0].items():
        np.testing.assert_allclose(
            gradients[1][name], array, rtol=1e-4, atol=1e-5, err_msg=name
        )
    for layer in (expected, found):
        layer(x, training=training)
    for a, b in zip(expected.variables, found.variables, strict=True):
        np.testing.assert_allclose(
            as_numpy(b.value), as_numpy(a.value), rtol=1e-5, atol=1e-6
        )


def test_statistics_are_those_of_numpy(rng):
    layer = FusedBatchNormalization(momentum=0.0, epsilon=0.0)
    x = np.float32(rng.normal(3, 2, size=(3, 2, 5, 4)))
    z = as_numpy(layer(x, training=True))
    mean, deviation = x.mean((0, 1, 2)), x.std((0, 1, 2))
    np.testing.assert_allclose(z, (x - mean) / deviation, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(as_numpy(layer.moving_mean.value), mean, rtol=1e-5)
    variance = as_numpy(layer.moving_variance.value)
    np.testing.assert_allclose(variance, deviation**2, rtol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{"axis": 1}, {"scale": False}, {"center": False}, {"dtype": "mixed_bfloat16"}],
)
def test_other_options(rng, options):
    shape = (4, 3, 3)
    expected, found = pair(rng, shape, **options)
    x = np.float32(rng.normal(1, 2, size=shape))
    values = [as_numpy(layer(x, training=True)) for layer in (expected, found)]
    np.testing.assert_allclose(values[1], values[0], rtol=1e-2, atol=1e-5)
    assert found.compute_dtype == expected.compute_dtype


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_gradients_and_statistics_in_mixed_precision(rng, policy):
    shape = (4, 3, 5, 3)
    expected, found = pair(rng, shape, dtype=policy)
    x = as_numpy(
        ops.cast(np.float32(rng.normal(1, 2, size=shape)), expected.compute_dtype)
    )
    upstream = np.float32(rng.normal(size=shape))
    gradients = [
        block_value_and_gradients(layer, x, upstream, training=True)[1]
        for layer in (expected, found)
    ]
    for name, array in gradients[0].items():
        scale = np.abs(array).max()
        np.testing.assert_allclose(
            gradients[1][name], array, atol=0.02 * scale, rtol=0, err_msg=name
        )
    for layer in (expected, found):
        layer(ops.cast(x, layer.compute_dtype), training=True)
    for a, b in zip(expected.get_weights(), found.get_weights(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)


def test_masked_positions_do_not_count(rng):
    expected, found = pair(rng, (2, 5, 3))
    x = np.float32(rng.normal(size=(2, 5, 3)))
    mask = ops.convert_to_tensor([[True] * 5, [True, False, True, False, False]])
    values = [
        as_numpy(layer(x, training=True, mask=mask)) for layer in (expected, found)
    ]
    np.testing.assert_allclose(values[1], values[0], rtol=1e-5, atol=1e-6)


def test_not_trainable_is_an_affine_map(rng):
    _, layer = pair(rng, (2, 5, 3))
    layer.trainable = False
    x = np.float32(rng.normal(size=(2, 5, 3)))
    before = layer.get_weights()
    z = as_numpy(layer(x, training=True))
    np.testing.assert_array_equal(z, as_numpy(layer(x, training=False)))
    for a, b in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_position(rng):
    expected, found = pair(rng, (1, 3))
    x = np.float32(rng.normal(size=(1, 3)))
    values = [as_numpy(layer(x, training=True)) for layer in (expected, found)]
    np.testing.assert_allclose(values[1], values[0], atol=1e-5)
    for a, b in zip(expected.get_weights(), found.get_weights(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-6)


# torch.compile warns of things in torch and takes long.
@pytest.mark.parametrize(
    "jit_compile", [False] if keras.backend.backend() == "torch" else [False, True]
)
def test_unknown_sizes_in_fit(rng, tmp_path, jit_compile):
    inputs = keras.Input((None, None, 3))
    models = [
        keras.Model(inputs, cls(name="norm")(inputs))
        for cls in (layers.BatchNormalization, FusedBatchNormalization)
    ]
    models[1].set_weights(models[0].get_weights())
    x, y = np.float32(rng.normal(2, 3, size=(2, 4, 3, 5, 3)))
    for model in models:
        model.compile("sgd", "mse", jit_compile=jit_compile)
        model.train_on_batch(x, y)
    for a, b in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)
    models[1].save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.get_layer("norm"), FusedBatchNormalization)
    np.testing.assert_allclose(
        as_numpy(loaded(x)), as_numpy(models[1](x)), rtol=1e-6, atol=1e-6
    )


def test_names_are_those_of_keras():
    layer = FusedBatchNormalization()
    layer.build((None, 4))
    assert {variable_name(v) for v in layer.variables} == {
        "gamma",
        "beta",
        "moving_mean",
        "moving_variance",
    }
