"""Objects in pictures of any size."""

import keras
import numpy as np
import pytest

from keras_nonlocal import evaluate_coco, predict_picture
from keras_nonlocal.data import ImageError, coco_dataset
from keras_nonlocal.data.coco.picture_file import resize_picture
from keras_nonlocal.data.coco.sizes import Sizing
from keras_nonlocal.inference.pictures import PictureScaling, fitted_to_input
from tests.data.coco.annotated import write_many
from tests.detection.detectors import SIDE, small_detector

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    return small_detector()


def test_batches_are_padded_to_a_fixed_input(model, rng):
    images = rng.integers(0, 256, (2, 32, SIDE, 3), np.uint8)
    x = {"images": images, "image_sizes": np.array([[32, SIDE], [30, 50]], "int32")}
    fitted = fitted_to_input(model, x)
    assert fitted["images"].shape == (2, SIDE, SIDE, 3)
    np.testing.assert_array_equal(fitted["images"][:, :32], images)
    assert not fitted["images"][:, 32:].any()
    assert fitted["image_sizes"] is x["image_sizes"]
    with pytest.raises(ValueError, match=r"\(64, 64\); its argument is `buckets`"):
        fitted_to_input(model, {"images": np.zeros((1, 96, 32, 3), np.uint8)})


def test_boxes_are_in_pixels_of_the_picture(model, rng):
    small = rng.integers(0, 256, (32, 48, 3), np.uint8)
    padded = np.zeros((1, SIDE, SIDE, 3), "float32")
    padded[0, :32, :48] = small
    sizes = np.array([[32, 48]], "float32")
    expected = model.predict({"images": padded, "image_sizes": sizes}, verbose=0)
    count = int(expected["num_detections"][0])
    found = predict_picture(model, small, short_side=32)
    assert count > 0
    assert {*found} == {"boxes", "scores", "labels", "masks"}
    for name, value in found.items():
        assert len(value) == count
        np.testing.assert_allclose(value, expected[name][0, :count], atol=1e-4)

    # A larger picture is scaled to these pixels, and its boxes are scaled back.
    large = rng.integers(0, 256, (128, 192, 3), np.uint8)
    scaled = predict_picture(model, resize_picture(large, (32, 48)), short_side=32)
    again = predict_picture(model, large, short_side=32)
    assert len(again["scores"]) > 0
    np.testing.assert_array_equal(again["scores"], scaled["scores"])
    np.testing.assert_allclose(again["boxes"], 4 * scaled["boxes"], rtol=1e-6)


def test_pictures_of_any_size_have_few_shapes(rng):
    model = small_detector(side=None)
    shapes = {
        PictureScaling.of(model, tuple(size)).padded
        for size in rng.integers(1, 3000, (200, 2)).tolist()
    }
    assert shapes == {(800, 1088), (1088, 800), (800, 1344), (1344, 800)}


def test_scores_are_those_of_an_evaluation(tmp_path, rng):
    annotations = write_many(tmp_path, rng, 4)
    data = coco_dataset(
        annotations,
        tmp_path,
        shuffle=False,
        verbose=False,
        short_side=32,
        long_side=64,
    )
    model = small_detector(side=None, category_ids=data.category_ids)
    model.picture_sides = (32, 64)
    result = evaluate_coco(model, data, verbose=0)
    for image in annotations["images"]:
        found = predict_picture(model, tmp_path / image["file_name"])
        expected = [d for d in result.detections if d["image_id"] == image["id"]]
        np.testing.assert_allclose(
            np.sort(found["scores"]),
            np.sort([entry["score"] for entry in expected]),
            atol=1e-5,
        )


@pytest.mark.parametrize("side", [None, SIDE])
def test_pictures_are_scaled_as_by_the_dataset(rng, side):
    model = small_detector(side=side)
    # Nearly square pictures fill a bucket whose shape is that of the other direction.
    shapes = [(85, 83), (83, 85), *map(tuple, rng.integers(20, 100, (60, 2)).tolist())]
    sizing = Sizing(SIDE // 2, SIDE)
    for shape in shapes:
        scaling = PictureScaling.of(model, shape, SIDE // 2, SIDE)
        assert scaling.scaled == sizing.in_bucket(shape, SIDE // 2), shape
        bucket = sizing.shapes[sizing.bucket(shape)]
        assert scaling.padded == (bucket if side is None else (SIDE, SIDE))


def test_a_fixed_input_size_is_kept(model, rng):
    wide = rng.integers(0, 256, (20, 200, 3), np.uint8)
    found = predict_picture(model, wide)
    assert (found["boxes"][:, [0, 2]] <= 200.01).all()
    assert (found["boxes"][:, [1, 3]] <= 20.01).all()


def test_keypoints_are_in_pixels_of_the_picture(model, rng):
    scaling = PictureScaling.of(model, (128, 192))
    assert (scaling.scaled, scaling.padded) == ((42, 64), (SIDE, SIDE))
    points = rng.uniform(0, 40, (2, 3, 5, 3)).astype("float32")
    boxes = rng.uniform(0, 40, (2, 3, 4)).astype("float32")
    outputs = {"boxes": boxes, "keypoints": points, "num_detections": np.array([3, 2])}
    found = scaling.detections(outputs, 1)
    assert {*found} == {"boxes", "keypoints"}
    scale = np.array([192 / 64, 128 / 42, 1])
    np.testing.assert_allclose(found["keypoints"], points[1, :2] * scale, rtol=1e-6)


def test_files_are_read_and_wrong_ones_named(model, tmp_path, rng):
    image = pytest.importorskip("PIL.Image")
    pixels = rng.integers(0, 256, (40, 60, 3), np.uint8)
    image.fromarray(pixels).save(tmp_path / "picture.png")
    from_file = predict_picture(model, tmp_path / "picture.png")
    for name, value in predict_picture(model, pixels).items():
        np.testing.assert_array_equal(value, from_file[name])
    (tmp_path / "broken.png").write_bytes(b"none")
    with pytest.raises(ImageError, match=r"broken\.png"):
        predict_picture(model, tmp_path / "broken.png")


@pytest.mark.parametrize(
    ("picture", "arguments", "message"),
    [
        (np.zeros((4, 4), np.uint8), {}, r"picture of \(4, 4\)"),
        (np.zeros((4, 4, 3)), {}, "dtype uint8"),
        (np.zeros((4, 4, 3), np.uint8), {"short_side": -1}, "short_side=-1"),
    ],
)
def test_wrong_arguments_are_named(model, picture, arguments, message):
    with pytest.raises(ValueError, match=message):
        predict_picture(model, picture, **arguments)


@pytest.mark.parametrize("picture", [None, 3, [[1, 2, 3]]])
def test_what_is_no_picture_is_refused(model, picture):
    with pytest.raises(TypeError, match="`picture` must be a path or a NumPy array"):
        predict_picture(model, picture)


def test_other_models_are_refused():
    inputs = keras.Input((4,))
    with pytest.raises(TypeError, match="must be a `RegionModel`"):
        predict_picture(keras.Model(inputs, inputs), np.zeros((4, 4, 3), np.uint8))


def test_sizes_within_a_fixed_input_are_those_of_the_export(rng):
    pytest.importorskip("tensorflow")
    from keras_nonlocal.data.coco.sizes import Sizing
    from keras_nonlocal.export.encoded_images import ImageSizing

    sizes = rng.integers(1, 1500, (2000, 2))
    for limits in ((64, 64), (96, None), (None, 128), (None, None)):
        exported = ImageSizing(100, 170, limits).scaled(sizes).numpy()
        own = [Sizing(100, 170).scaled((h, w), 100, limits) for h, w in sizes.tolist()]
        np.testing.assert_array_equal(exported, own)
