"""Weight decay of models that take no regularizer."""

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal.training import decay_kernels


def concatenating_network():
    inputs = keras.Input((4, 6))
    x = keras.layers.Dense(6, name="first")(inputs)
    x = keras_nonlocal.layers.NonLocalBlock(mode="concatenation", name="block")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dense(2, name="last")(keras.layers.Flatten()(x))
    return keras.Model(inputs, x)


def test_the_penalty_is_half_the_squares_of_what_is_trained():
    model = concatenating_network()
    # First and last, θ, φ, g and the output of the block, and w_f.
    assert decay_kernels(model, 0.3) == 7
    model.get_layer("first").trainable = False
    kernels = [
        variable
        for variable in model.trainable_variables
        if variable.path.endswith(("kernel", "w_f"))
    ]
    assert len(kernels) == 6
    expected = sum(
        0.15 * np.sum(keras.ops.convert_to_numpy(v).astype("float64") ** 2)
        for v in kernels
    )
    np.testing.assert_allclose(float(sum(model.losses)), expected, rtol=1e-5)


def test_it_is_saved_and_can_be_removed(tmp_path):
    model = concatenating_network()
    decay_kernels(model, 0.02)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.losses) == 7
    np.testing.assert_allclose(
        float(sum(loaded.losses)), float(sum(model.losses)), rtol=1e-6
    )
    assert decay_kernels(loaded, 0) == 7
    assert loaded.losses == []


def test_a_negative_decay_is_refused():
    with pytest.raises(ValueError, match=r"must not be negative\. Received: .*-0\.1"):
        decay_kernels(concatenating_network(), -0.1)
