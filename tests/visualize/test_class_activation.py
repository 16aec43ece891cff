"""Grad-CAM against its formula and against networks of known answer."""

import gc
import weakref

import keras
import numpy as np
import pytest

from keras_nonlocal.visualize import grad_cam
from tests.visualize.clips import gray_video, random_network, red_attends_to_red


def test_constructed_place_and_time():
    clip = gray_video(8, [(5, 16, 8)])[np.newaxis].astype("float32")
    found = grad_cam(red_attends_to_red(), clip, "redness", class_index=0)
    assert found.heat.shape == (8, 8, 8)
    frame, row, column = np.unravel_index(found.heat.argmax(), found.heat.shape)
    assert (frame, row // 2, column // 2) == (5, 2, 1)
    hot = np.zeros((8, 8, 8))
    hot[5, 4:6, 2:4] = 1
    np.testing.assert_allclose(found.heat, hot, atol=1e-4)
    gray = grad_cam(red_attends_to_red(), clip, "redness", class_index=1)
    assert gray.heat[5, 4, 2] < 0.5 * gray.heat[0].min()


def test_formula():
    """After the layer come a ReLU, a mean and a matrix: α follows in closed form."""
    model = red_attends_to_red()
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(2, 3))
    model.get_layer("predictions").kernel.assign(kernel)
    clip = rng.uniform(0, 255, (1, 8, 32, 32, 3)).astype("float32")
    block = keras.Model(model.input, model.get_layer("block").output)
    maps = keras.ops.convert_to_numpy(block(clip))[0].astype(np.float64)
    scores = keras.ops.convert_to_numpy(model(clip))[0]
    for index in range(3):
        # d/dA of the mean over the positions of ReLU(A) @ kernel.
        alpha = (maps > 0).mean(axis=(0, 1, 2)) * kernel[:, index]
        expected = np.maximum(maps @ alpha, 0)
        found = grad_cam(model, clip, class_index=index)
        assert found.layer_name == "block"
        assert found.score == pytest.approx(scores[index], abs=1e-6)
        if expected.max() > 0:
            np.testing.assert_allclose(found.heat, expected / expected.max(), atol=1e-4)
        else:
            assert not found.heat.any()
    best = grad_cam(model, clip)
    assert best.class_index == scores.argmax()


def binary_network(kernel, ends_in_layer):
    """One sigmoid unit, and two softmax units that say the same."""
    base = red_attends_to_red()
    features = base.get_layer("predictions").input
    one = keras.layers.Dense(1, None if ends_in_layer else "sigmoid", use_bias=False)
    two = keras.layers.Dense(2, "softmax", use_bias=False)
    outputs = one(features)
    if ends_in_layer:
        outputs = keras.layers.Activation("sigmoid")(outputs)
    models = keras.Model(base.input, outputs), keras.Model(base.input, two(features))
    one.kernel.assign(kernel)
    two.kernel.assign(np.hstack([-kernel / 2, kernel / 2]))
    return models


@pytest.mark.parametrize("ends_in_layer", [False, True])
@pytest.mark.parametrize("sign", [-1, 1])
def test_one_sigmoid_unit_has_two_classes(ends_in_layer, sign, rng):
    kernel = sign * np.array([[0.3], [-0.2]], "float32")
    one, two = binary_network(kernel, ends_in_layer)
    clip = rng.uniform(0, 255, (1, 8, 32, 32, 3)).astype("float32")
    for index in (0, 1, None):
        found = grad_cam(one, clip, "block", class_index=index)
        expected = grad_cam(two, clip, "block", class_index=index)
        assert found.class_index == expected.class_index
        assert found.score == pytest.approx(expected.score, abs=1e-5)
        # The heat is relative to its largest value, which may be small beside the
        # terms of which it is the sum: maps that differed by 2e-4 were seen.
        np.testing.assert_allclose(found.heat, expected.heat, atol=1e-2)
    with pytest.raises(ValueError, match="an integer from 0 to 1"):
        grad_cam(one, clip, class_index=2)


def test_a_saturated_softmax_does_not_hide_the_gradient():
    model = red_attends_to_red()
    model.get_layer("predictions").kernel.assign([[9e4, 0.0, 0.0], [0.0, 5.0, 0.0]])
    clip = gray_video(8, [(5, 16, 8)])[np.newaxis].astype("float32")
    found = grad_cam(model, clip, "redness")
    assert found.score == 1
    assert found.heat.max() == 1


def test_the_model_is_left_as_it_was():
    model = red_attends_to_red()
    clip = gray_video(8, [(5, 16, 8)])[np.newaxis].astype("float32")
    before = keras.ops.convert_to_numpy(model(clip))
    grad_cam(model, clip)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(clip)), before)
    assert model.get_layer("predictions").activation is keras.activations.softmax


def test_many_clips_add_nothing_to_the_model():
    model = red_attends_to_red()
    clip = gray_video(8, [(5, 16, 8)])[np.newaxis].astype("float32")

    def calls_kept():
        # Keras has no public count of the calls that a layer keeps.
        return [len(layer._inbound_nodes) for layer in model.layers]

    grad_cam(model, clip)
    after_one = calls_kept()
    for index in (0, 1):
        grad_cam(model, clip, class_index=index)
    assert calls_kept() == after_one
    grad_cam(model, clip, "redness")
    assert calls_kept() != after_one  # what is counted does grow with a new layer


def test_later_weights_count():
    model = red_attends_to_red()
    clip = gray_video(8, [(5, 16, 8)])[np.newaxis].astype("float32")
    classifier = model.get_layer("predictions")
    kernel = keras.ops.convert_to_numpy(classifier.kernel)
    first = grad_cam(model, clip, "redness", class_index=0)
    classifier.kernel.assign(kernel[:, [1, 0, 2]])
    swapped = grad_cam(model, clip, "redness", class_index=1)
    np.testing.assert_allclose(swapped.heat, first.heat, atol=1e-6)
    assert (
        np.abs(grad_cam(model, clip, "redness", class_index=0).heat - first.heat).max()
        > 0.5
    )
    classifier.enable_lora(1)  # another configuration, and more weights
    np.testing.assert_allclose(
        grad_cam(model, clip, "redness", class_index=1).heat, first.heat, atol=1e-6
    )


def test_a_model_that_was_looked_at_can_be_freed():
    model = red_attends_to_red()
    grad_cam(model, gray_video(8, [])[np.newaxis].astype("float32"))
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


def test_default_layer_without_blocks():
    inputs = keras.Input((4, 8, 8, 3))
    x = keras.layers.Conv3D(2, 1, name="one")(inputs)
    x = keras.layers.Conv3D(2, 1, name="two")(x)
    x = keras.layers.GlobalAveragePooling3D()(x)
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    clip = np.random.default_rng(0).normal(size=(1, 4, 8, 8, 3)).astype("float32")
    assert grad_cam(model, clip).layer_name == "two"


def test_resizing_keeps_places():
    clip = gray_video(8, [(5, 16, 8)])[np.newaxis].astype("float32")
    found = grad_cam(red_attends_to_red(), clip, "redness", class_index=0)
    large = found.resized(16, 64, 96)
    assert large.shape == (16, 64, 96)
    frame, row, column = np.unravel_index(large.argmax(), large.shape)
    assert frame in (10, 11)
    assert 32 <= row < 48
    assert 24 <= column < 48
    np.testing.assert_allclose(found.resized(8, 8, 8), found.heat)
    ramp = type(found)("layer", 0, 1.0, np.arange(4.0).reshape(4, 1, 1))
    np.testing.assert_allclose(
        ramp.resized(8, 1, 1)[:, 0, 0], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_index": 3}, "from 0 to 2. Received: class_index=3"),
        ({"class_index": -1}, "Received: class_index=-1"),
        ({"layer_name": "dense"}, "Received: layer_name='dense'"),
    ],
)
def test_wrong_values(arguments, message):
    clip = np.zeros((1, 4, 32, 32, 3), "float32")
    with pytest.raises(ValueError, match=message):
        grad_cam(random_network(), clip, **arguments)


def test_layers_beside_a_shortcut_are_refused():
    inputs = keras.Input((4, 8, 8, 3))
    x = keras.layers.Conv3D(3, 1, name="branch")(inputs)
    x = keras.layers.Add(name="sum")([x, inputs])
    x = keras.layers.GlobalAveragePooling3D()(x)
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    clip = np.ones((1, 4, 8, 8, 3), "float32")
    assert grad_cam(model, clip, "sum").heat.shape == (4, 8, 8)
    with pytest.raises(ValueError, match=r"no shortcut .* layer_name='branch'"):
        grad_cam(model, clip, "branch")
