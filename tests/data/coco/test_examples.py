"""Boxes, masks and keypoints of scaled and mirrored pictures."""

import numpy as np

from keras_nonlocal.data.coco.categories import Keypoints
from keras_nonlocal.data.coco.examples import Targets, View, framed, padded
from keras_nonlocal.data.coco.objects import PictureObjects
from keras_nonlocal.data.coco.segmentation import read_segmentation
from tests.data.coco.annotated import compressed

SIZE = (30, 40)
POINTS = Keypoints(("nose", "left", "right"), (0, 2, 1), None)


def picture(rng, boxes, labels=None, segmentations=(), keypoints=None):
    boxes = np.array(boxes, float).reshape(-1, 4)
    labels = np.arange(len(boxes)) if labels is None else np.array(labels)
    pixels = rng.integers(0, 256, (*SIZE, 3), np.uint8)
    return pixels, PictureObjects(boxes, labels, segmentations, keypoints)


def test_each_axis_is_scaled_by_the_sizes_in_pixels(rng):
    pixels, objects = picture(rng, [[4, 3, 20, 30]])
    example = framed(pixels, objects, View((45, 79)), Targets(5, None))
    assert example.pixels.shape == (45, 79, 3)
    expected = [[4 * 79 / 40, 4.5, 20 * 79 / 40, 45]]
    np.testing.assert_allclose(example.targets["boxes"], expected, rtol=1e-6)
    assert example.targets.keys() == {"boxes", "labels"}


def test_a_mirrored_picture_has_mirrored_objects(rng):
    bitmap = (rng.random(SIZE) < 0.5).astype(np.uint8)
    boxes = [[4, 3, 20, 27], [0, 0, 40, 30]]
    runs = read_segmentation(compressed(bitmap), *SIZE)
    segmentations = (runs, runs)
    points = np.array([[[4.5, 3.5, 2], [7.5, 9.5, 1], [0, 0, 0]], np.ones((3, 3))])
    pixels, objects = picture(rng, boxes, None, segmentations, points)
    targets = Targets(5, 8, POINTS)
    plain = framed(pixels, objects, View(SIZE), targets)
    mirrored = framed(pixels, objects, View(SIZE, is_mirrored=True), targets)
    assert np.array_equal(mirrored.pixels, pixels[:, ::-1])
    assert mirrored.targets["boxes"].tolist() == [[20, 3, 36, 27], [0, 0, 40, 30]]
    assert np.array_equal(mirrored.targets["masks"], plain.targets["masks"][:, :, ::-1])
    # The picture and its mask, mirrored by hand, give the same grid.
    other = read_segmentation(compressed(bitmap[:, ::-1]), *SIZE)
    again = PictureObjects(np.array([[20.0, 3, 36, 27]]), np.zeros(1), (other,), points)
    by_hand = framed(pixels, again, View(SIZE), targets)
    assert np.array_equal(by_hand.targets["masks"][0], mirrored.targets["masks"][0])
    # Left and right change places, and a missing point stays missing.
    assert mirrored.targets["keypoints"][0].tolist() == [
        [35.5, 3.5, 2],
        [0, 0, 0],
        [32.5, 9.5, 1],
    ]


def test_the_largest_objects_are_kept_in_the_order_of_the_file(rng):
    boxes = [[0, 0, 5, 5], [0, 0, 9, 9], [0, 0, 2, 2], [1, 1, 10, 10]]
    pixels, objects = picture(rng, boxes)
    example = framed(pixels, objects, View(SIZE), Targets(2, None))
    assert example.targets["labels"].tolist() == [1, 3]
    example = framed(pixels, objects, View(SIZE), Targets(3, None))
    assert example.targets["labels"].tolist() == [0, 1, 3]


def test_batches_are_padded_at_the_right_and_at_the_bottom(rng):
    targets = Targets(3, 4, POINTS)
    runs = read_segmentation(compressed(np.ones(SIZE, np.uint8)), *SIZE)
    points = np.ones((1, 3, 3))
    one = framed(
        *picture(rng, [[4, 3, 20, 27]], [6], (runs,), points), View(SIZE), targets
    )
    none = picture(rng, [], None, (), np.zeros((0, 3, 3)))
    none = framed(*none, View((12, 32)), targets)
    x, y = padded([one, none], (32, 64), targets)
    assert x["images"].shape == (2, 32, 64, 3)
    assert x["image_sizes"].tolist() == [[30, 40], [12, 32]]
    assert np.array_equal(x["images"][0, :30, :40], one.pixels)
    assert x["images"].sum() == int(one.pixels.sum()) + int(none.pixels.sum())
    assert y["labels"].tolist() == [[6, -1, -1], [-1, -1, -1]]
    assert y["boxes"][0].tolist() == [[4, 3, 20, 27], [0] * 4, [0] * 4]
    assert y["masks"].sum(axis=(2, 3)).tolist() == [[16, 0, 0], [0, 0, 0]]
    assert y["keypoints"].sum() == 9
    assert not y["keypoints"][1].any()
    types = {name: array.dtype.name for name, array in (x | y).items()}
    assert types == {
        "images": "uint8",
        "image_sizes": "int32",
        "boxes": "float32",
        "labels": "int32",
        "masks": "uint8",
        "keypoints": "float32",
    }
