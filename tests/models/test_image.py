"""The image networks and their pyramid."""

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal.models import pyramid_outputs
from tests.models.test_video import evaluate, randomize

IMAGE = (64, 96, 3)


def small(depth=50, **arguments):
    builders = {50: keras_nonlocal.NLResNet50, 101: keras_nonlocal.NLResNet101}
    options = {"input_shape": IMAGE, "classes": 5, "width": 4}
    return builders[depth](**options | arguments)


def images(seed=0):
    return np.random.default_rng(seed).normal(size=(2, *IMAGE)).astype("float32")


@pytest.mark.parametrize("depth", [50, 101])
def test_pyramid_halves_its_resolution_from_level_to_level(depth):
    backbone = small(
        depth,
        include_top=False,
        nonlocal_blocks={"res5": (2,)},
        nonlocal_pool_size=None,
    )
    randomize(backbone)
    assert list(backbone.pyramid_outputs) == ["P2", "P3", "P4", "P5"]
    assert backbone.pyramid_outputs["P5"] is backbone.output
    pyramid = keras.Model(backbone.input, backbone.pyramid_outputs)
    features = {key: evaluate_one(pyramid, key) for key in ("P2", "P3", "P4", "P5")}
    for level, channels in ((2, 16), (3, 32), (4, 64), (5, 128)):
        expected = (2, 64 // 2**level, 96 // 2**level, channels)
        assert features[f"P{level}"].shape == expected
    np.testing.assert_allclose(features["P5"], evaluate(backbone, images()), rtol=1e-5)


def evaluate_one(pyramid, key):
    return keras.ops.convert_to_numpy(pyramid(images(), training=False)[key])


def test_pyramid_contains_the_block_after_the_last_residual_block():
    backbone = small(nonlocal_blocks={"res3": (3,), "res4": (4,)})
    names = {
        key: output._keras_history.operation.name
        for key, output in backbone.pyramid_outputs.items()
    }
    assert names == {
        "P2": "conv2_block3_out",
        "P3": "conv3_block4_nl",
        "P4": "conv4_block6_out",
        "P5": "conv5_block3_out",
    }


def test_pyramid_of_a_loaded_model(tmp_path):
    backbone = small(include_top=False)
    backbone.save(tmp_path / "backbone.keras")
    restored = keras.saving.load_model(tmp_path / "backbone.keras")
    outputs = pyramid_outputs(restored)
    assert {key: value.shape for key, value in outputs.items()} == {
        key: value.shape for key, value in backbone.pyramid_outputs.items()
    }
    inputs = keras.Input((4,))
    other = keras.Model(inputs, inputs, name="other")
    with pytest.raises(ValueError, match="Received: model='other'"):
        pyramid_outputs(other)


def test_equals_keras_applications_on_the_same_weights():
    reference = keras.applications.ResNet50(weights=None, classes=5)
    randomize(reference)
    model = keras_nonlocal.NLResNet50(
        classes=5, nonlocal_blocks=0, stride_in_1x1=True, input_shape=(224, 224, 3)
    )
    keras_nonlocal.weights.inflate(reference, model)
    x = np.random.default_rng(0).normal(size=(1, 224, 224, 3))
    image_features = keras.Model(reference.input, reference.layers[-2].output)
    features = keras.Model(model.input, model.get_layer("avg_pool").output)
    expected = evaluate(image_features, x)
    np.testing.assert_allclose(
        evaluate(features, x), expected, atol=1e-4 * np.abs(expected).max()
    )


def test_one_block_before_the_last_of_res4_by_default():
    names = [layer.name for layer in small().layers if layer.name.endswith("_nl")]
    assert names == ["conv4_block5_nl"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (8, 64, 64, 3)}, "must have 3 entries"),
        ({"weights": "kinetics400"}, "Received: weights='kinetics400'"),
        ({"nonlocal_blocks": 2}, "Received: nonlocal_blocks=2"),
        ({"classes": 2.5}, "Received: classes=2.5"),
    ],
)
def test_wrong_values(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        small(**arguments)
