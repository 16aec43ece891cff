"""Exported keypoint detectors: what a server answers."""

import numpy as np
import pytest
import tensorflow as tf

from keras_nonlocal import export_model, export_saved_model
from keras_nonlocal.export.encoded_images import ImageSizing, decode_images
from tests.detection.detectors import small_keypoint_detector
from tests.export.portable_detectors import FORMATS, need_packages, run_detector

# Tracing the two stages for four signatures takes a minute.
pytestmark = pytest.mark.slow
SIDE = 64


def predicted(model, images, sizes):
    inputs = {
        "images": np.asarray(images, "float32"),
        "image_sizes": np.asarray(sizes, "float32"),
    }
    return model.predict(inputs, verbose=0)


@pytest.mark.thorough
def test_served_keypoints_are_those_of_predict(tmp_path, rng):
    model = small_keypoint_detector(class_names=["figure"])
    folder = export_saved_model(
        model, tmp_path / "poses", short_side=SIDE, long_side=SIDE, warm_up=False
    )
    signatures = tf.saved_model.load(str(folder)).signatures
    images = rng.integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    sizes = np.array([[SIDE, SIDE], [40, 50]], "int32")
    expected = predicted(model, images, sizes)
    assert expected["num_detections"][0] > 0
    answer = signatures["padded_images"](
        images=tf.constant(images), image_sizes=tf.constant(sizes)
    )
    assert {*answer} == {*expected, "names"}
    for name, value in expected.items():
        np.testing.assert_allclose(answer[name], value, atol=1e-5, rtol=1e-5)

    content = tf.io.encode_png(images[0]).numpy()
    answer = signatures["encoded_images"](images=tf.constant([content]))
    np.testing.assert_allclose(
        answer["keypoints"][0], expected["keypoints"][0], atol=1e-4, rtol=1e-5
    )
    # The server halves the picture, and answers in its pixels.
    content = tf.io.encode_png(rng.integers(0, 256, (128, 96, 3), np.uint8)).numpy()
    sent = decode_images(tf.constant([content]), ImageSizing(SIDE, SIDE, (SIDE, SIDE)))
    expected = predicted(model, sent.pixels, sent.sizes)
    assert expected["num_detections"][0] > 0
    answer = signatures["encoded_images_with_status"](
        images=tf.constant([content, b"no picture"])
    )
    np.testing.assert_allclose(
        answer["keypoints"][0], expected["keypoints"][0] * (2, 2, 1), atol=1e-3
    )
    assert not answer["keypoints"][1].numpy().any()


@pytest.mark.parametrize("format", FORMATS)
def test_other_runtimes_give_the_keypoints_of_predict(format, tmp_path, rng):
    need_packages(format)
    model = small_keypoint_detector()
    images = rng.integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    sizes = np.array([[SIDE, SIDE], [SIDE, SIDE - 9]], "int32")
    folder = export_model(model, tmp_path / "poses", format)
    answer = run_detector(folder, format)({"images": images, "image_sizes": sizes})
    expected = predicted(model, images, sizes)
    assert answer.keys() == expected.keys()
    assert expected["num_detections"].min() > 0
    for name, value in expected.items():
        tolerance = 1e-3 if name in ("boxes", "keypoints") else 1e-5
        np.testing.assert_allclose(answer[name], value, rtol=0, atol=tolerance)
