"""Detections of a frame as lines of a file."""

import json

import numpy as np
import pytest

from keras_nonlocal.video_detection import FrameDetections
from keras_nonlocal.video_detection.detections import frame_detections

NAMES = ("ant", "bee", "caf\udce9")


def found_in(rng, count, points=None):
    corners = rng.uniform(0, 20, (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(4, 20, (count, 2))], axis=1)
    found = {
        "boxes": boxes.astype("float32"),
        "scores": np.sort(rng.random(count).astype("float32"))[::-1],
        "labels": rng.integers(0, 3, count).astype("int32"),
        "masks": rng.random((count, 28, 28)).astype("float32"),
    }
    if points is not None:
        found["keypoints"] = rng.normal(size=(count, points, 3)).astype("float32")
    return found


def stored(frame, mask_format):
    return FrameDetections.from_line(
        json.loads(json.dumps(frame.to_line(), allow_nan=False)), mask_format
    )


@pytest.mark.parametrize("mask_format", ["grid", "rle", "none"])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_lines_keep_everything(rng, mask_format, count):
    if mask_format == "rle":
        pytest.importorskip("pycocotools")
    found = found_in(rng, count, points=5)
    frame = frame_detections(12, 0.4, found, NAMES, (41, 43), mask_format)
    again = stored(frame, mask_format)
    assert (again.index, again.time, len(again)) == (12, 0.4, count)
    assert again.names == tuple(NAMES[label] for label in found["labels"])
    for name in ("boxes", "scores", "labels"):
        own = getattr(again, name)
        np.testing.assert_array_equal(own, found[name])
        assert own.dtype == found[name].dtype
    if count:
        np.testing.assert_array_equal(again.keypoints, found["keypoints"])
    assert (again.masks is None) == (mask_format != "grid")
    assert again.segmentations == frame.segmentations
    if mask_format == "grid" and count:
        np.testing.assert_allclose(again.masks, found["masks"], atol=0.51 / 255)
    # A frame looks the same whether it was just found or read from the file.
    drawn, drawn_again = frame.drawn(), again.drawn()
    for name in drawn_again:
        if count:
            np.testing.assert_array_equal(drawn[name], drawn_again[name])


def test_run_lengths_are_drawn_on_the_grid_of_their_box(rng):
    pytest.importorskip("pycocotools")
    found = found_in(rng, 1)
    found["boxes"] = np.array([[4, 8, 32, 36]], "float32")
    found["masks"] = np.zeros((1, 28, 28), "float32")
    found["masks"][0, :, :14] = 1
    frame = frame_detections(0, 0.0, found, NAMES, (40, 40), "rle")
    (mask,) = frame.drawn()["masks"]
    assert mask.shape == (56, 56)
    np.testing.assert_array_equal(mask, np.arange(56)[None].repeat(56, 0) < 28)


def test_detections_that_are_not_finite_are_left_out(rng):
    found = found_in(rng, 4)
    found["boxes"][1, 2] = np.nan
    found["scores"] = found["scores"].copy()
    found["scores"][3] = np.inf
    frame = frame_detections(0, 0.0, found, NAMES, (40, 40), "grid")
    np.testing.assert_array_equal(frame.boxes, found["boxes"][[0, 2]])
    np.testing.assert_array_equal(frame.masks, found["masks"][[0, 2]])
    assert len(frame.names) == len(frame) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"mask": {"size": [28, 28], "values": "AAAA"}},
        {"mask": {"size": [28, 27], "values": None}},
        {"box": "wide"},
        {"score": None},
    ],
)
def test_lines_of_others_cannot_be_read(rng, change):
    frame = frame_detections(0, 0.0, found_in(rng, 1), NAMES, (40, 40), "grid")
    line = frame.to_line()
    line["detections"][0] |= change
    with pytest.raises((ValueError, TypeError)):
        FrameDetections.from_line(line, "grid")
