"""Masks on the grids of boxes, against bitmaps."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from pycocotools import mask as coco_mask

from keras_nonlocal.data.coco.segmentation import (
    SegmentationError,
    mask_in_box,
    read_segmentation,
)
from tests.data.coco.annotated import compressed, ellipse, rectangle, uncompressed

SIZE = (50, 70)


def random_bitmap(rng):
    return (rng.random(SIZE) < 0.4).astype(np.uint8)


def decoded(segmentation):
    return coco_mask.decode(segmentation.run_lengths(*SIZE))


@pytest.mark.parametrize("encode", [compressed, uncompressed])
def test_run_lengths_are_read_as_they_were_written(rng, encode):
    for _ in range(20):
        bitmap = random_bitmap(rng)
        value = encode(bitmap)
        assert np.array_equal(decoded(read_segmentation(value, *SIZE)), bitmap)


def test_run_lengths_on_the_grid_are_the_nearest_pixels_of_whole_boxes(rng):
    bitmap = random_bitmap(rng)
    segmentation = read_segmentation(compressed(bitmap), *SIZE)
    # Each pixel of the box becomes 3 × 3 cells.
    box = np.array([11.0, 5.0, 21.0, 15.0])
    expected = np.kron(bitmap[5:15, 11:21], np.ones((3, 3)))
    assert np.array_equal(mask_in_box(segmentation, box, 30), expected)
    # Of 2 × 2 pixels, at least two make a cell.
    expected = bitmap[5:15, 11:21].reshape(5, 2, 5, 2).sum((1, 3)) >= 2
    assert np.array_equal(mask_in_box(segmentation, box, 5), expected)


def test_polygons_and_bitmaps_of_an_object_have_nearly_the_same_mask(rng):
    box = np.array([8.3, 6.1, 41.7, 33.4])
    x, y = (box[:2] + box[2:]) / 2
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    a, b = (box[2:] - box[:2]) / 2
    points = np.stack([x + a * np.cos(angles), y + b * np.sin(angles)], axis=1)
    polygon = read_segmentation([points.ravel().tolist()], *SIZE)
    bitmap = ellipse(SIZE, [*box[:2], *(box[2:] - box[:2])])
    runs = read_segmentation(compressed(bitmap), *SIZE)
    grids = [mask_in_box(s, box, 56).astype(bool) for s in (polygon, runs)]
    cells = (np.arange(56) + 0.5) / 28 - 1
    exact = cells[:, None] ** 2 + cells**2 <= 1
    for grid in grids:
        shared, joint = (grid & exact).sum(), (grid | exact).sum()
        # The outline of 176 cells may be off by about one cell.
        assert shared / joint > 0.93


def test_parts_of_an_object_are_joined_and_short_polygons_dropped():
    parts = [
        *rectangle([2, 3, 10, 20]),
        [5.0, 5.0, 6.0, 6.0],
        *rectangle([30, 3, 9, 9]),
    ]
    bitmap = decoded(read_segmentation(parts, *SIZE))
    assert bitmap.sum() == 10 * 20 + 9 * 9
    assert bitmap[3:23, 2:12].all()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no segmentation"),
        ([], "no polygon of at least three points"),
        ([[1, 2, 3, 4]], "no polygon of at least three points"),
        ([[1, 2, 3, 4, 5, 6, 7]], "no polygon of at least three points"),
        ([[1, 2, 3, 4, 5, float("nan")]], "no polygon of at least three points"),
        ([[1, 2, 3, 4, 5, 1e9]], "no polygon of at least three points"),
        ([[1, 2, "a", 4, 5, 6]], "no polygon of at least three points"),
        ({"size": [70, 50], "counts": [3500]}, r"the size \[70, 50\] and not"),
        ({"size": [50, 70], "counts": [3000, 400]}, "do not fill the picture"),
        ({"size": [50, 70], "counts": [-5, 3505]}, "do not fill the picture"),
        ({"size": [50, 70], "counts": "000000"}, "do not fill the picture"),
        ({"size": [50, 70], "counts": "\x1f~"}, "do not fill the picture"),
        ({"size": [50, 70], "counts": "o"}, "do not fill the picture"),
        ({"size": [50, 70], "counts": None}, "do not fill the picture"),
        ({"size": [50, 70], "counts": [3500]}, "its mask is empty"),
    ],
)
def test_segmentations_that_cannot_be_used(value, reason):
    with pytest.raises(SegmentationError, match=reason):
        read_segmentation(value, *SIZE)


def test_a_tiny_box_in_a_large_object_takes_no_more_memory_than_others(rng):
    # The outline is clipped; the corner of the object crosses the second box.
    corner = [20.0, 10.0, 60.0, 10.0, 60.0, 40.0, 20.0, 40.0]
    polygon = read_segmentation([corner], *SIZE)
    for size in (1e-1, 1e-4, 1e-7):
        inside = np.array([30, 20, 30 + size, 20 + size])
        assert mask_in_box(polygon, inside, 28).all()
        half = np.array([20 - size / 2, 20, 20 + size / 2, 20 + size])
        mask = mask_in_box(polygon, half, 28)
        assert mask[:, 15:].all()
        assert not mask[:, :13].any()
        outside = np.array([5, 5, 5 + size, 5 + size])
        assert not mask_in_box(polygon, outside, 28).any()


def test_clipping_changes_no_cell_of_the_grid(rng):
    for _ in range(10):
        points = rng.uniform([0, 0], SIZE[::-1], (7, 2))
        polygon = read_segmentation([points.ravel().tolist()], *SIZE)
        box = np.array([20.0, 15.0, 24.0, 19.0])
        # Eight times the box: nothing of the polygon is clipped there.
        whole = mask_in_box(polygon, np.array([0.0, 0.0, 80.0, 80.0]), 560)
        part = mask_in_box(polygon, box, 28)
        # Ends of clipped lines are rounded: cells differ at the outline, of which a few
        # are alone between two lines.
        around = sliding_window_view(whole[104:134, 139:169], (3, 3))
        is_outline = around.min((2, 3)) != around.max((2, 3))
        differs = part != whole[105:133, 140:168]
        assert (differs & ~is_outline).sum() <= 8


def test_run_lengths_beyond_all_integers_are_refused():
    with pytest.raises(SegmentationError):
        read_segmentation({"size": [*SIZE], "counts": [2**70]}, *SIZE)
