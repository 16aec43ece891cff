"""SavedModels of detectors: what a server without Keras answers."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nonlocal import export_model, export_saved_model
from keras_nonlocal.data.coco.picture_file import decode_picture, resize_picture
from keras_nonlocal.data.coco.sizes import Sizing
from tests.detection.detectors import small_detector
from tests.export.portable_detectors import FORMATS, need_packages, run_detector

# Tracing the two stages for four signatures takes a minute.
pytestmark = pytest.mark.slow
NAMES = ("circle", "square", "triangle")
SIDE = 64
OUTPUTS = {"boxes", "scores", "labels", "masks", "num_detections", "names"}


def jpeg(pixels, orientation=1):
    content = tf.io.encode_jpeg(pixels, quality=95).numpy()
    if orientation == 1:
        return content
    entry = b"\x12\x01\x03\x00\x01\x00\x00\x00" + bytes([orientation, 0, 0, 0])
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + bytes(4)
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    return content[:2] + segment + content[2:]


def png(pixels):
    return tf.io.encode_png(pixels).numpy()


@pytest.fixture(scope="module")
def model():
    return small_detector(class_names=NAMES)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    directory = tmp_path_factory.mktemp("detector")
    return export_saved_model(
        model, directory, short_side=SIDE, long_side=SIDE, warm_up=True
    )


def predicted(model, images, sizes):
    inputs = {
        "images": np.asarray(images, "float32"),
        "image_sizes": np.asarray(sizes, "float32"),
    }
    return model.predict(inputs, verbose=0)


def assert_same(answers, signature, expected):
    for name, value in expected.items():
        for way in ("", "session/"):
            np.testing.assert_allclose(
                answers[f"{way}{signature}/{name}"], value, atol=1e-5, rtol=1e-5
            )


def test_process_without_keras_detects_what_predict_does(model, folder, tmp_path, rng):
    images = rng.integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    # Nothing has a score in a picture without a pixel.
    sizes = np.array([[SIDE, SIDE], [40, 50], [0, 0]], "int32")
    smaller = images[:1, :48, :56]
    encoded = np.array(
        [png(images[0]), jpeg(images[1, :32], orientation=6), b"no picture"], object
    )
    np.savez(
        tmp_path / "requests.npz",
        **{
            "padded_images/images": images,
            "serving_default/images": smaller,
            "encoded_images/images": encoded[:2],
            "encoded_images_with_status/images": encoded,
        },
    )
    script = Path(__file__).with_name("plain_detections.py")
    environment = {key: os.environ[key] for key in os.environ if key != "PYTHONPATH"}
    np.save(tmp_path / "sizes.npy", sizes)
    subprocess.run(
        [sys.executable, script, folder, tmp_path], check=True, env=environment
    )
    with np.load(tmp_path / "answers.npz", allow_pickle=True) as file:
        answers = dict(file)

    expected = predicted(model, images, sizes)
    assert expected["num_detections"][0] > 0
    assert expected["num_detections"][2] == 0
    assert_same(answers, "padded_images", expected)
    padded = np.pad(smaller, [(0, 0), (0, 16), (0, 8), (0, 0)])
    assert_same(answers, "serving_default", predicted(model, padded, [[48, 56]]))

    # Nothing is scaled, and a PNG has the same pixels for every decoder.
    for name, value in predicted(model, images[:1], sizes[:1]).items():
        np.testing.assert_allclose(
            answers[f"encoded_images/{name}"][0], value[0], atol=1e-5, rtol=1e-5
        )
    # A picture of 32 rows and 64 columns that is turned has 64 rows.
    np.testing.assert_array_equal(
        answers["encoded_images/image_sizes"], [[SIDE, SIDE], [SIDE, 32]]
    )
    status = answers["encoded_images_with_status/status"]
    assert [*status] == [b"ok", b"ok", b"is neither JPEG nor PNG"]
    for name in ("boxes", "scores", "labels", "masks"):
        np.testing.assert_allclose(
            answers[f"encoded_images_with_status/{name}"][:2],
            answers[f"encoded_images/{name}"],
            atol=1e-4,
        )
    assert answers["encoded_images_with_status/num_detections"][2] == 0
    assert (answers["encoded_images_with_status/labels"][2] == -1).all()
    labels = answers["padded_images/labels"]
    names = np.array(["", *NAMES])[labels + 1]
    np.testing.assert_array_equal(answers["padded_images/names"].astype(str), names)


def test_encoded_pictures_are_scaled_as_by_the_data_pipeline(rng):
    from keras_nonlocal.export.encoded_images import ImageSizing, decode_images

    pictures = [
        rng.integers(0, 256, (*size, 3), np.uint8)
        for size in ((48, 90), (120, 70), (33, 33), (31, 200))
    ]
    contents = [tf.io.encode_png(picture).numpy() for picture in pictures]
    images = decode_images(tf.constant(contents), ImageSizing(40, 64, (None, None)))
    sizing = Sizing(40, 64)
    assert images.pixels.shape[1] % 32 == images.pixels.shape[2] % 32 == 0
    for index, picture in enumerate(pictures):
        height, width = sizing.scaled(picture.shape[:2], 40)
        np.testing.assert_array_equal(images.sizes[index], (height, width))
        np.testing.assert_array_equal(images.shown_sizes[index], picture.shape[:2])
        expected = resize_picture(picture, (height, width)).astype(int)
        pixels = images.pixels[index].numpy()
        assert np.abs(pixels[:height, :width] - expected).max() <= 2
        assert not pixels[height:].any()
        assert not pixels[:, width:].any()


def test_encoded_pictures_are_turned_as_they_are_shown():
    from keras_nonlocal.export.encoded_images import ImageSizing, decode_images

    rows, columns = np.mgrid[:32, :64]
    smooth = np.stack([4 * rows, 2 * columns, rows + columns], -1).astype(np.uint8)
    for orientation in range(1, 9):
        content = jpeg(smooth, orientation)
        images = decode_images(tf.constant([content]), ImageSizing(32, 64, (64, 64)))
        shown = decode_picture(content, "turned", None)
        height, width = shown.shape[:2]
        np.testing.assert_array_equal(images.sizes[0], (height, width))
        pixels = images.pixels[0, :height, :width].numpy().astype(int)
        assert np.abs(pixels - shown).mean() < 2


def test_boxes_are_in_pixels_of_the_picture_as_sent(model, folder, rng):
    from keras_nonlocal.export.encoded_images import ImageSizing, decode_images

    content = png(rng.integers(0, 256, (128, 96, 3), np.uint8))
    signatures = tf.saved_model.load(str(folder)).signatures
    found = signatures["encoded_images"](images=tf.constant([content]))
    # The same pixels: another decoder's rounding would be another detection.
    sent = decode_images(tf.constant([content]), ImageSizing(SIDE, SIDE, (SIDE, SIDE)))
    expected = predicted(model, sent.pixels, sent.sizes)
    np.testing.assert_array_equal(sent.sizes, [[64, 48]])
    np.testing.assert_array_equal(found["image_sizes"], [[128, 96]])
    assert expected["num_detections"][0] > 0
    for name, factor in (("boxes", 2), ("scores", 1), ("labels", 1)):
        np.testing.assert_allclose(found[name], factor * expected[name], atol=1e-3)


def test_pictures_that_cannot_be_decoded_or_do_not_fit_are_named(folder):
    signatures = tf.saved_model.load(str(folder)).signatures
    good = jpeg(np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"images\[1\] is damaged"):
        signatures["encoded_images"](images=tf.constant([good, good[:-200]]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="must fit into"):
        signatures["serving_default"](images=tf.zeros((1, 65, 64, 3), tf.uint8))
    with pytest.raises(tf.errors.InvalidArgumentError, match="at least one element"):
        signatures["encoded_images"](images=tf.zeros((0,), tf.string))


def test_the_folder_has_names_and_requests_for_warming_up(folder):
    assert (folder / "assets" / "labels.txt").read_text() == "".join(
        f"{name}\n" for name in NAMES
    )
    path = folder / "assets.extra" / "tf_serving_warmup_requests"
    assert sum(1 for _ in tf.data.TFRecordDataset(str(path))) == 4
    signatures = tf.saved_model.load(str(folder)).signatures
    outputs = signatures["serving_default"].structured_outputs
    assert {*outputs} == OUTPUTS


@pytest.mark.parametrize("format", FORMATS)
def test_other_runtimes_give_what_predict_gives(format, tmp_path, rng):
    """One of the pictures has no detections, and levels have few anchors."""
    need_packages(format)
    model = small_detector(class_names=NAMES, side=None)
    sizes = np.array([[SIDE, SIDE], [SIDE, SIDE - 9], [SIDE - 20, SIDE]], "int32")
    lowest = second = 0
    while second - lowest < 1e-3:
        images = rng.integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
        images[1] //= 8
        best = predicted(model, images, sizes)["scores"].max(axis=1)
        lowest, second, _ = np.sort(best)
    model.recipe = replace(
        model.recipe,
        detections=replace(
            model.recipe.detections, score_threshold=float(lowest + second) / 2
        ),
    )
    model.predict_function = None
    folder = export_model(model, tmp_path / "detector", format)
    assert (folder / "labels.txt").read_text() == "circle\nsquare\ntriangle\n"
    run = run_detector(folder, format)
    for chosen in ([0, 1, 2], [int(np.argmin(best))]):
        inputs = {"images": images[chosen], "image_sizes": sizes[chosen]}
        answer = run(inputs)
        expected = predicted(model, images[chosen], sizes[chosen])
        assert answer.keys() == expected.keys()
        assert 0 in answer["num_detections"]
        for name, value in expected.items():
            # Boxes are in pixels.
            tolerance = 1e-3 if name == "boxes" else 1e-5
            np.testing.assert_allclose(answer[name], value, rtol=0, atol=tolerance)


def test_a_file_of_a_detector_in_half_precision_computes_in_float32(tmp_path, rng):
    need_packages("onnx")
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = small_detector(class_names=NAMES)
    finally:
        keras.config.set_dtype_policy(policy)
    model = small_detector(class_names=NAMES)
    model.set_weights(half.get_weights())
    inputs = {
        "images": rng.integers(0, 256, (1, SIDE, SIDE, 3), np.uint8),
        "image_sizes": np.array([[SIDE, SIDE - 8]], "int32"),
    }
    answer = run_detector(export_model(half, tmp_path, "onnx"), "onnx")(inputs)
    assert half.dtype_policy.name == "mixed_bfloat16"
    for name, value in predicted(model, *inputs.values()).items():
        tolerance = 1e-3 if name == "boxes" else 1e-5
        np.testing.assert_allclose(answer[name], value, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("export", "arguments", "message"),
    [
        (export_saved_model, {"class_names": ["a"]}, "must name the 3 classes"),
        (export_saved_model, {"crop_size": 64}, "`crop_size` has an effect for a clip"),
        (export_saved_model, {"top": 3}, "`top` has an effect for a clip model"),
        (export_saved_model, {"short_side": 0}, "short_side=0"),
        (export_model, {"format": "litert"}, "a SavedModel, as ONNX or for OpenVINO"),
        (
            export_model,
            {"format": "openvino", "calibration_clips": np.zeros((1, 4, 8, 8, 3))},
            "for a clip model alone",
        ),
        (export_model, {"format": "onnx", "activation": "relu"}, "for a clip model"),
        (export_model, {"format": "onnx", "class_names": "ab"}, "must name the 3"),
    ],
)
def test_what_a_detector_cannot_do_is_said(model, export, arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export(model, tmp_path / "detector", **arguments)
    assert not (tmp_path / "detector").exists()
