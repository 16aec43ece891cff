"""Values of detectors that cannot be."""

from dataclasses import replace

import numpy as np
import pytest

from keras_nonlocal.detection import RECIPES, Recipe

PAPER = RECIPES["paper"]


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        ("pixels", {"std": (1.0, 0.0, 1.0)}, "`std` must be a tuple of 3 positive"),
        ("pixels", {"mean": (float("nan"), 1, 1)}, "tuple of 3 finite numbers"),
        ("pixels", {"channel_order": "gbr"}, "must be one of 'rgb' or 'bgr'"),
        ("anchors", {"sizes": (8, 16, 32)}, "`sizes` must be a tuple of 5 positive"),
        ("anchors", {"sizes": "abcde"}, "non-empty tuple of positive numbers"),
        ("anchors", {"aspect_ratios": ()}, "non-empty tuple of positive numbers"),
        ("proposals", {"normalizer": "boxes"}, "one of 'pictures' or 'samples'"),
        ("proposals", {"background_iou": 0.8}, "must not be greater than"),
        ("proposals", {"post_nms_training": 0}, "must be a positive integer"),
        ("proposals", {"allows_straddling": "no"}, "must be a bool"),
        ("proposals", {"min_size": False}, "must be a number"),
        ("proposals", {"foreground_share": 0.001}, "must be at least one sample"),
        ("regions", {"foreground_share": 0.0}, "must be at least one sample"),
        ("anchors", {"aspect_ratios": (10**400,)}, "tuple of positive numbers"),
        ("regions", {"foreground_share": 1.5}, "must be from 0 to 1"),
        ("regions", {"box_weights": (1.0, 1.0)}, "tuple of 4 positive numbers"),
        ("regions", {"canonical_size": 0}, "must be a positive number"),
        ("detections", {"score_threshold": "0.5"}, "must be a number"),
        ("detections", {"max_detections": 2.5}, "must be an integer"),
        ("heads", {"mask_convolutions": -1}, "an integer of at least 0"),
        ("heads", {"keypoint_channels": 0}, "must be a positive integer"),
        ("keypoints", {"min_visible": 0}, "must be a positive integer"),
        ("keypoints", {"short_sides": (800, 640)}, "a minimum and a maximum"),
        ("keypoints", {"short_sides": (800,)}, "tuple of 2 positive numbers"),
    ],
)
def test_each_is_named(part, changes, message):
    with pytest.raises((ValueError, TypeError), match=message) as error:
        replace(getattr(PAPER, part), **changes)
    assert f"Received: {next(iter(changes))}=" in str(error.value)


def test_lists_and_arrays_are_tuples():
    sizes = [8, 16, 32, 64, 128]
    assert replace(PAPER.anchors, sizes=sizes).sizes == (8, 16, 32, 64, 128)
    pixels = replace(PAPER.pixels, mean=np.arange(3.0))
    assert pixels.mean == (0.0, 1.0, 2.0)
    assert hash(replace(PAPER, pixels=pixels))
    assert replace(PAPER.anchors, is_rounded=np.True_).is_rounded is True


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"pixels": None},
            r"`pixels` must be of type `Pixels`\. Received: pixels=None",
        ),
        ({"heads": {}}, r"`heads` must be of type `HeadSettings`\. Received: heads=\{"),
        ({"stride_in_1x1": "no"}, "`stride_in_1x1` must be a bool"),
    ],
)
def test_parts_of_recipes_have_their_types(changes, message):
    with pytest.raises(TypeError, match=message):
        replace(PAPER, **changes)


def test_unknown_values_of_recipes_are_named():
    values = PAPER.to_dict()
    assert Recipe.from_dict(values) == PAPER
    with pytest.raises(ValueError, match=r"`Recipe` has no fields \['a'\]\. Received"):
        Recipe.from_dict(values | {"a": 1})
    values["heads"]["b"] = 1
    with pytest.raises(ValueError, match=r"`HeadSettings` has no fields \['b'\]"):
        Recipe.from_dict(values)


def test_what_may_be_zero():
    assert replace(PAPER.proposals, min_size=0, box_beta=0).box_beta == 0
    assert replace(PAPER.heads, mask_convolutions=0).mask_convolutions == 0
