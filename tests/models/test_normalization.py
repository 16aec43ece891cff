"""The argument `normalization` of the builders."""

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal.layers import FrozenBatchNormalization
from keras_nonlocal.replicas.sublayers import batch_norms

SHAPE = (4, 32, 32, 3)


def build(normalization: str) -> keras.Model:
    return keras_nonlocal.NLResNet50C2D(
        input_shape=SHAPE,
        classes=3,
        width=4,
        nonlocal_blocks=1,
        dropout_rate=0,
        normalization=normalization,
    )


def test_frozen_norms_take_weights_over_and_score_in_training_as_in_testing():
    rng = np.random.default_rng()
    model, frozen = build("batch"), build("frozen_batch")
    for variable in model.weights:
        if variable.name in ("gamma", "moving_mean", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    frozen.set_weights(model.get_weights())
    assert len(batch_norms(frozen)) == len(batch_norms(model)) == 54
    kinds = {type(layer) for layer in frozen.layers if layer.name.endswith("_bn")}
    assert kinds == {FrozenBatchNormalization}
    x = rng.normal(size=(2, *SHAPE)).astype("float32")
    in_training = keras.ops.convert_to_numpy(frozen(x, training=True))
    expected = keras.ops.convert_to_numpy(model(x, training=False))
    np.testing.assert_allclose(in_training, expected, rtol=1e-4, atol=1e-6)
    for after, before in zip(frozen.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="Keras synchronizes on TensorFlow"
)
def test_synchronized_norms_are_everywhere():
    norms = batch_norms(build("synchronized_batch"))
    assert len(norms) == 54
    assert all(norm.synchronized for norm in norms)


@pytest.mark.parametrize(
    "builder", [keras_nonlocal.NLResNet50C2D, keras_nonlocal.NLResNet50]
)
def test_another_normalization_is_refused(builder):
    with pytest.raises(ValueError, match="Received: normalization='group'"):
        builder(normalization="group")
