"""Rematerialised networks: the same weights and steps, less memory."""

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal.layers import FrozenBatchNormalization, NonLocalBlock
from keras_nonlocal.training import freeze_batch_norm, rematerialized
from tests.training.processes import result_of, start_module

SHAPE = (2, 6, 6, 3)


def toy_model(
    norm: type = FrozenBatchNormalization, dropout_rate: float = 0.0
) -> keras.Model:
    inputs = keras.Input(SHAPE)
    x = keras.layers.Conv3D(4, (1, 3, 3), padding="same", name="stem")(inputs)
    branch = norm(name="norm")(x)
    branch = keras.layers.Conv3D(4, (1, 3, 3), padding="same", name="conv")(branch)
    x = keras.layers.Add(name="add")([x, branch])
    x = NonLocalBlock(
        normalization="frozen_batch", gamma_initializer="ones", name="block"
    )(x)
    x = keras.layers.GlobalAveragePooling3D()(x)
    x = keras.layers.Dropout(dropout_rate, name="dropped")(x)
    return keras.Model(inputs, keras.layers.Dense(3, "softmax", name="scores")(x))


def test_steps_are_the_same_and_the_weights_shared():
    rng = np.random.default_rng()
    x = rng.normal(size=(4, *SHAPE)).astype("float32")
    y = rng.integers(0, 3, 4)
    plain, model = toy_model(), toy_model()
    model.set_weights(plain.get_weights())
    start = plain.get_weights()
    saving = rematerialized(model, ["add", "block"])
    assert [type(layer).__name__ for layer in saving.layers][1:3] == [
        "RematerializedSegment"
    ] * 2
    for network in (plain, saving):
        network.compile(
            keras.optimizers.SGD(0.1, momentum=0.9),
            "sparse_categorical_crossentropy",
            jit_compile=keras.backend.backend() == "jax",
        )
        network.fit(x, y, batch_size=2, epochs=2, shuffle=False, verbose=0)
    for ours, theirs in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    moved = zip(start, plain.get_weights(), strict=True)
    assert max(np.abs(after - before).max() for before, after in moved) > 1e-3
    np.testing.assert_allclose(
        saving.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6
    )


def test_it_round_trips(tmp_path):
    saving = rematerialized(toy_model(), ["add"])
    saving.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = np.random.default_rng().normal(size=(2, *SHAPE)).astype("float32")
    np.testing.assert_allclose(
        loaded.predict(x, verbose=0), saving.predict(x, verbose=0), atol=1e-6
    )


def test_networks_of_the_builders_are_divided_at_their_blocks():
    model = keras_nonlocal.NLResNet50C2D(
        input_shape=(4, 32, 32, 3), width=4, nonlocal_blocks=1
    )
    freeze_batch_norm(model)
    names = [layer.name for layer in rematerialized(model).layers]
    segments = [name for name in names if name.endswith("_segment")]
    assert len(segments) == 16
    assert segments[0] == "conv2_block1_out_segment"
    assert "conv4_block5_nl_segment" in segments
    assert "conv4_block5_out_segment" not in segments


def test_what_would_happen_twice_is_refused():
    model = toy_model(keras.layers.BatchNormalization)
    with pytest.raises(ValueError, match="Received: layer='norm'"):
        rematerialized(model, ["add"])
    with pytest.raises(ValueError, match="Received: layer='dropped'"):
        rematerialized(toy_model(dropout_rate=0.5), ["add", "dropped"])


def test_boundaries_must_divide_the_model():
    # The addition also needs what comes before the branch.
    with pytest.raises(ValueError, match="Received: 'add'"):
        rematerialized(toy_model(), ["conv", "add"])
    with pytest.raises(ValueError, match="Received: boundaries=None"):
        rematerialized(toy_model())


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="measured on TensorFlow"
)
def test_training_takes_less_memory():
    module = "tests.training.peak_memory"
    plain = result_of(start_module(module, "plain"))
    saving = result_of(start_module(module, "rematerialized"))
    assert saving < 0.8 * plain
