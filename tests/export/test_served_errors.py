"""What a SavedModel does with pictures that cannot be decoded, and with nothing."""

import numpy as np
import pytest
import tensorflow as tf

from keras_nonlocal import export_saved_model
from keras_nonlocal.data.lists.class_names import read_class_names
from tests.data.pictures import jpeg, png_that_announces
from tests.export.clip_models import random_clips, small_network

# The name of a folder may end with a space, and need not be UTF-8.
NAMES = ("clap ", "jump", "caf\udce9")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("gestures")
    return export_saved_model(small_network(), directory, class_names=NAMES)


@pytest.fixture(scope="module")
def served(folder):
    return tf.saved_model.load(str(folder)).signatures


def test_names_of_any_folder_are_served(folder, served):
    assert read_class_names(folder / "assets" / "labels.txt") == NAMES
    clips = tf.constant(random_clips(1, 4, 32, 32, 3))
    answer = served["serving_default"](clips=clips)
    best = np.argsort(-answer["scores"].numpy()[0], kind="stable")
    names = np.array([b"clap ", b"jump", rb"caf\udce9"], object)[best]
    assert answer["top_names"].numpy()[0].tolist() == names.tolist()


def encoded(*shape):
    frames = random_clips(*shape, 40, 50, 3).reshape(-1, 40, 50, 3)
    return np.array([jpeg(frame) for frame in frames], object).reshape(shape)


@pytest.mark.parametrize("bad", [b"", b"\xff\xd8\xff\xe0", png_that_announces(1, 9000)])
def test_a_bad_picture_is_named(served, bad):
    clips, views = encoded(3, 4), encoded(2, 2, 4)
    clips[1, 2] = views[1, 0, 3] = bad
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"frames\[1, 2\] (is|has)"
    ):
        served["encoded_clips"](frames=tf.constant(clips))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"frames\[1, 0, 3\]"):
        served["encoded_views"](frames=tf.constant(views))


@pytest.mark.parametrize("shape", [(3, 4), (3, 2, 4)])
def test_the_rest_of_the_batch_is_scored(served, shape):
    name = "encoded_clips" if len(shape) == 2 else "encoded_views"
    frames = encoded(*shape)
    expected = served[name](frames=tf.constant(frames))
    frames[(1,) * len(shape)] = frames.flat[0][:400]
    found = served[f"{name}_with_status"](frames=tf.constant(frames))
    assert found["is_scored"].numpy().tolist() == [True, False, True]
    status = found["status"].numpy()
    assert status.shape == shape
    assert status[(1,) * len(shape)] == b"is damaged"
    assert np.count_nonzero(status == b"ok") == frames.size - 1
    for output in ("scores", "top_names", "top_scores"):
        np.testing.assert_array_equal(found[output][::2], expected[output][::2])
    assert not found["scores"][1].numpy().any()
    assert {*found["top_names"][1].numpy()} == {b""}


def test_nothing_is_refused(served):
    clip = (4, 32, 32, 3)
    empty = {
        "serving_default": tf.zeros((0, *clip), tf.uint8),
        "views": tf.zeros((2, 0, *clip), tf.uint8),
        "encoded_clips": tf.zeros((0, 4), tf.string),
        "encoded_views": tf.zeros((1, 0, 4), tf.string),
        "encoded_views_with_status": tf.zeros((0, 2, 4), tf.string),
    }
    for name, value in empty.items():
        (argument,) = served[name].structured_input_signature[1]
        message = f"`{argument}` must hold at least one element. Received: shape"
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            served[name](**{argument: value})


def test_no_frames_are_refused_where_their_number_is_open(tmp_path):
    model = small_network(input_shape=(None, 32, 32, 3), pool_size=1)
    folder = export_saved_model(model, tmp_path)
    signatures = tf.saved_model.load(str(folder)).signatures
    for name in ("encoded_clips", "encoded_clips_with_status"):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="at least one element"
        ):
            signatures[name](frames=tf.zeros((2, 0), tf.string))
