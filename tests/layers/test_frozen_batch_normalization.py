"""Batch normalization as an affine map, against its formula."""

import keras
import numpy as np

from keras_nonlocal.layers import FrozenBatchNormalization


def random_layer(rng: np.random.Generator) -> tuple[FrozenBatchNormalization, list]:
    layer = FrozenBatchNormalization(epsilon=1e-3, momentum=0.5)
    layer.build((None, 4, 3))
    values = [rng.uniform(0.5, 2, 3) for _ in layer.weights]
    layer.set_weights(values)
    return layer, values


def test_uses_the_moving_statistics_in_training_and_leaves_them():
    rng = np.random.default_rng()
    layer, (gamma, beta, mean, variance) = random_layer(rng)
    x = rng.normal(5.0, 3.0, size=(2, 4, 3))
    expected = (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    for training in (True, False):
        outputs = keras.ops.convert_to_numpy(layer(x, training=training))
        np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    for after, before in zip(
        layer.get_weights(), (gamma, beta, mean, variance), strict=True
    ):
        np.testing.assert_allclose(after, before, rtol=1e-6)


def test_trains_gamma_and_beta_alone():
    layer, _ = random_layer(np.random.default_rng())
    names = [variable.name for variable in layer.trainable_variables]
    assert names == ["gamma", "beta"]


def test_round_trips(tmp_path):
    rng = np.random.default_rng()
    layer, values = random_layer(rng)
    inputs = keras.Input((4, 3))
    keras.Model(inputs, layer(inputs)).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").layers[-1]
    assert type(loaded) is FrozenBatchNormalization
    assert loaded.get_config() == layer.get_config()
    for ours, theirs in zip(loaded.get_weights(), values, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
