"""Poses on pictures: skeleton, points and names."""

import numpy as np
import pytest

from keras_nonlocal.detection import KeypointSet
from keras_nonlocal.visualize import draw_poses

GRAY = 90
POINTS = KeypointSet.of(3, ("head", "left", "right"), skeleton=[(0, 1), (0, 2)])
PLAIN = {"show_boxes": False}


def one(keypoints, box=(40, 40, 280, 200), score=0.9):
    return {
        "boxes": np.array([box], "float32"),
        "scores": np.array([score], "float32"),
        "labels": np.array([0]),
        "keypoints": np.array([keypoints], "float32"),
    }


def picture():
    return np.full((240, 320, 3), GRAY, np.uint8)


def changed(drawn):
    return (drawn != GRAY).any(axis=-1)


def test_lines_connect_the_points_of_the_skeleton():
    pose = one([(60, 60, 0.9), (60, 180, 0.8), (260, 60, 0.7)])
    drawn = draw_poses(picture(), pose, POINTS, **PLAIN)
    assert drawn.dtype == np.uint8
    is_changed = changed(drawn)
    assert is_changed[120, 59:61].all()
    assert is_changed[59:61, 160].all()
    # The middle between the points that nothing connects.
    assert not is_changed[110:130, 150:170].any()
    # A disk with a dark rim, in the color of the line.
    np.testing.assert_array_equal(drawn[60, 60], drawn[120, 60])
    column = drawn[60, 60:75].sum(axis=-1)
    assert column.min() < 3 * GRAY
    without = draw_poses(picture(), pose, **PLAIN)
    assert not changed(without)[120].any()
    assert changed(without)[180, 60]


def test_points_that_are_uncertain_or_missing_are_left_out():
    pose = one([(60, 60, 0.9), (60, 180, 0.04), (np.nan, 60, 0.7)])
    is_changed = changed(draw_poses(picture(), pose, POINTS, **PLAIN))
    assert is_changed[60, 60]
    assert not is_changed[80:].any()
    assert not is_changed[:, 80:].any()
    everything = draw_poses(picture(), pose, POINTS, min_keypoint_score=0, **PLAIN)
    assert changed(everything)[120, 60]
    assert not changed(draw_poses(picture(), one([(9, 9, 1)] * 3, score=0.4))).any()


def test_points_outside_of_the_picture_are_drawn_in_part():
    pose = one([(-30, 120, 1), (160, 120, 1), (900, -50, 1)])
    is_changed = changed(draw_poses(picture(), pose, POINTS, **PLAIN))
    assert is_changed[120, :160].all()


def test_boxes_and_names_are_written(tmp_path):
    pose = one([(60, 60, 0.9), (60, 180, 0.8), (260, 60, 0.7)])
    plain = draw_poses(picture(), pose, POINTS, **PLAIN)
    boxed = draw_poses(picture(), pose, POINTS, class_names=["person"])
    assert (boxed[110:120, 280] != plain[110:120, 280]).any()
    assert (boxed[25:38, 42:90] != GRAY).any()
    path = tmp_path / "pose.png"
    named = draw_poses(picture(), pose, POINTS, path, show_names=True, **PLAIN)
    # A plate beside the point.
    assert (named[165:180, 66:80] != plain[165:180, 66:80]).any()
    image = pytest.importorskip("PIL.Image")
    with image.open(path) as written:
        np.testing.assert_array_equal(np.asarray(written), named)


def test_no_detections_leave_the_picture_as_it_is():
    nothing = {name: values[:0] for name, values in one([(1, 1, 1)] * 3).items()}
    assert not changed(draw_poses(picture(), nothing, POINTS)).any()


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({"keypoints": None}, {}, '`detections` must have "keypoints"'),
        ({"keypoints": np.zeros((1, 3, 2))}, {}, r"Received: \(1, 3, 2\)"),
        ({"keypoints": np.zeros((2, 3, 3))}, {}, "must be of one picture"),
        ({}, {"keypoints": KeypointSet.of(4)}, "of the 3 points .* 4 keypoints"),
        ({}, {"min_keypoint_score": 2}, "`min_keypoint_score` must be"),
        ({}, {"output": "pose.jpg"}, "`output` must end in `.png`"),
        ({}, {"class_names": []}, "`class_names` must have a name"),
    ],
)
def test_wrong_arguments_are_named(change, arguments, message):
    pose = one([(60, 60, 0.9)] * 3) | change
    pose = {name: values for name, values in pose.items() if values is not None}
    with pytest.raises(ValueError, match=message) as error:
        draw_poses(picture(), pose, **arguments)
    assert "Received: " in str(error.value)
