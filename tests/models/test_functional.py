"""The networks are functional models: Keras's tools for those apply to them."""

import keras
import numpy as np
import pytest

from keras_nonlocal import NLResNet, NLResNet50


def test_every_layer_is_in_the_plot():
    pytest.importorskip("pydot")
    model = NLResNet(50, "i3d", input_shape=(4, 32, 32, 3), classes=3, width=4)
    graph = keras.utils.model_to_dot(model, show_shapes=True, show_layer_names=True)
    labels = graph.to_string()
    assert all(layer.name in labels for layer in model.layers)
    assert "(None, 2, 4, 4, 32)" in labels


# TensorFlow has no max pooling of float16 volumes on CPUs outside XLA.
POLICIES = ["mixed_bfloat16", "mixed_float16"]
if keras.backend.backend() == "tensorflow":
    POLICIES = [pytest.param("mixed_bfloat16", marks=pytest.mark.slow)]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_step_in_mixed_precision_changes_the_weights_a_little(
    policy, shallow_networks
):
    options = {"classes": 3, "width": 4, "dropout_rate": 0.0}
    shape = (4, 32, 32, 3)
    keras.config.set_dtype_policy(policy)
    try:
        mixed = NLResNet(50, "i3d", input_shape=shape, **options)
    finally:
        keras.config.set_dtype_policy("float32")
    full = NLResNet(50, "i3d", input_shape=shape, **options)
    full.set_weights(mixed.get_weights())
    before = full.get_layer("predictions").get_weights()[0]
    rng = np.random.default_rng()
    clips, labels = np.float32(rng.normal(size=(4, *shape))), np.arange(4) % 3
    for model in (mixed, full):
        model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
        assert np.isfinite(model.train_on_batch(clips, labels))
    steps = [
        model.get_layer("predictions").get_weights()[0] - before
        for model in (mixed, full)
    ]
    assert np.abs(steps[1]).max() > 1e-5
    np.testing.assert_allclose(
        steps[0], steps[1], atol=0.25 * np.abs(steps[1]).max(), rtol=0
    )


def test_part_of_an_image_network_is_a_model():
    model = NLResNet50(input_shape=(32, 32, 3), classes=3, width=4)
    name = next(layer.name for layer in model.layers if layer.name.endswith("_nl"))
    part = keras.Model(model.input, model.get_layer(name).output)
    images = np.float32(np.random.default_rng().normal(size=(1, 32, 32, 3)))
    assert part(images).shape == (1, 2, 2, 64)
