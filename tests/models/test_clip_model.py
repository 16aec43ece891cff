"""What a model for clips says of itself."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_nonlocal
from keras_nonlocal.layers import PixelPreprocessing
from keras_nonlocal.models import ClipInfo
from keras_nonlocal.models.clip_model import clip_model
from keras_nonlocal.models.output_activation import activation_name
from keras_nonlocal.training import (
    ReplicatedModel,
    replace_classifier,
    with_num_frames,
)
from keras_nonlocal.weights import TORCH_IMAGENET_NORMALIZATION

CLIPS = (4, 32, 32, 3)
MAX = layers.GlobalMaxPooling3D()
INFO = ClipInfo(
    class_names=["clap", "wäve", " 手 "],
    num_frames=np.int64(4),
    frame_stride=3,
    target_fps=12.5,
    normalization=TORCH_IMAGENET_NORMALIZATION,
)


def network(**options):
    options = {"input_shape": CLIPS, "classes": 3, "width": 4} | options
    return keras_nonlocal.NLResNet50C2D(**options)


def tail(*steps, normalized=False):
    """A small model that ends with the given layers or functions."""
    inputs = keras.Input(CLIPS)
    x = PixelPreprocessing()(inputs) if normalized else inputs
    x = layers.Conv3D(2, 1)(x)
    for step in steps:
        x = step(x)
    return keras.Model(inputs, x)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_info_is_saved_with_the_model(suffix, tmp_path):
    model = network()
    model.clip_info = INFO
    path = tmp_path / f"model.{suffix}"
    model.save(path)
    loaded = keras.saving.load_model(path, compile=False)
    assert type(loaded) is ReplicatedModel
    assert loaded.clip_info == INFO
    assert loaded.clip_info.class_names == ("clap", "wäve", " 手 ")
    assert network().clip_info == ClipInfo()


def test_info_follows_the_functions_that_change_a_network():
    model = network()
    model.clip_info = INFO
    longer = with_num_frames(model, 8)
    assert (longer.clip_info.num_frames, longer.clip_info.class_names) == (
        8,
        INFO.class_names,
    )
    other = replace_classifier(model, 5)
    assert other.clip_info.class_names is None
    assert other.clip_info.frame_stride == 3
    assert model.clip_info == INFO


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ([MAX, layers.Dense(2, activation="softmax")], "softmax"),
        ([MAX, layers.Dense(2)], "linear"),
        ([MAX, layers.Dense(1), layers.Activation("sigmoid")], "sigmoid"),
        ([layers.Softmax(), layers.GlobalAveragePooling3D()], "softmax"),
        ([layers.GlobalAveragePooling3D(), keras.ops.sigmoid], "sigmoid"),
        ([layers.Conv3D(2, 1, activation="relu"), MAX], None),
    ],
)
def test_activation(steps, name):
    model = tail(*steps)
    assert activation_name(model) == name
    inputs = keras.Input(CLIPS)
    assert activation_name(keras.Model(inputs, model(inputs))) == name


def test_score_map_and_binary_classifier():
    model = network(score_window=(None, 1, 1))
    assert clip_model(model).activation == "softmax"
    binary = network(classes=1, classifier_activation="sigmoid")
    binary.clip_info = ClipInfo(class_names=("no", "yes"))
    own = clip_model(binary)
    assert (own.num_outputs, own.num_classes, own.is_binary) == (1, 2, True)
    logit = network(classes=1, classifier_activation=None)
    assert clip_model(logit).num_classes == 1


def test_pixels(rng):
    pixels = rng.uniform(0, 255, (1, *CLIPS)).astype("float32")
    outputs = [layers.GlobalMaxPooling3D()]
    inside = tail(*outputs, normalized=True)
    assert clip_model(inside).preprocessing()(pixels) is pixels
    inputs = keras.Input(CLIPS)
    nested = keras.Model(inputs, inside(inputs))
    assert clip_model(nested).preprocessing()(pixels) is pixels
    outside = network()
    kinetics = clip_model(outside).preprocessing()(pixels)
    np.testing.assert_allclose(kinetics, (pixels - 114.75) / 57.375, rtol=1e-5)
    outside.clip_info = INFO
    mean, std = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    other = clip_model(outside).preprocessing()(pixels)
    np.testing.assert_allclose(other, (pixels - mean) / std, rtol=1e-4, atol=1e-5)
    assert clip_model(outside).preprocessing(len) is len


@pytest.mark.parametrize("dtype", ["uint8", "float64", "float16"])
def test_arrays_give_arrays_and_tensors_tensors(rng, dtype):
    pixels = rng.integers(0, 256, (2, 3, 4, 5, 3)).astype(dtype)
    kept, first = pixels.astype("float64"), np.moveaxis(pixels, -1, 1)
    array = keras_nonlocal.preprocess_input(
        pixels, normalization=TORCH_IMAGENET_NORMALIZATION
    )
    assert (type(array), array.dtype.name) == (np.ndarray, "float32")
    mean, std = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    np.testing.assert_allclose(array, (kept - mean) / std, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(pixels, kept)
    array = keras_nonlocal.preprocess_input(first, "channels_first")
    expected = (np.moveaxis(kept, -1, 1) - 114.75) / 57.375
    np.testing.assert_allclose(array, expected, rtol=1e-4, atol=1e-5)
    tensor = keras_nonlocal.preprocess_input(keras.ops.convert_to_tensor(pixels))
    assert not isinstance(tensor, np.ndarray)
    assert keras.ops.is_tensor(tensor)
    with pytest.raises(ValueError, match="Received: data_format='last'"):
        keras_nonlocal.preprocess_input(pixels, "last")


def test_frame_rate():
    model = network()
    assert clip_model(model).frame_rate() == (8, None)
    assert clip_model(model).frame_rate(None, 5.0) == (8, 5.0)
    model.clip_info = INFO
    assert clip_model(model).frame_rate() == (3, 12.5)
    assert clip_model(model).frame_rate(2) == (2, None)
    assert clip_model(model).frame_rate(None, 25.0) == (3, 25.0)


def test_frames_per_clip_of_a_model_for_any_length():
    model = network(input_shape=(None, 32, 32, 3))
    assert clip_model(model).num_frames is None
    model.clip_info = INFO
    assert clip_model(model).num_frames == 4


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"class_names": "ab"}, TypeError, "Received: class_names='ab'"),
        ({"class_names": ("a", "a")}, ValueError, "Received: class_names="),
        ({"class_names": ()}, ValueError, "Received: class_names="),
        ({"class_names": (1, 2)}, TypeError, "Received: class_names="),
        ({"num_frames": 2.0}, TypeError, "Received: num_frames=2.0"),
        ({"frame_stride": 0}, ValueError, "Received: frame_stride=0"),
        ({"target_fps": -1}, ValueError, "Received: target_fps=-1"),
        ({"normalization": "rgb"}, TypeError, "Received: normalization='rgb'"),
    ],
)
def test_wrong_info(arguments, error, message):
    with pytest.raises(error, match=message):
        ClipInfo(**arguments)


def test_names_that_do_not_fit_the_scores():
    model = network(classes=4)
    model.clip_info = INFO
    with pytest.raises(
        ValueError, match=r"name the 4 classes.*Received: 3 class names"
    ):
        clip_model(model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: network(include_top=False), "one output, scores"),
        (lambda: network(input_shape=(4, 32, 32, 1)), "clips of RGB pictures"),
        (lambda: keras.Sequential(), "Received: model="),
    ],
)
def test_other_models(model, message):
    with pytest.raises(ValueError, match=message):
        clip_model(model())
