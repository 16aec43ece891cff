"""The views of a video as values."""

import json

import numpy as np
import pytest

from keras_nonlocal.inference import Views
from keras_nonlocal.models.clip_info import ClipInfo
from keras_nonlocal.models.clip_model import clip_model
from tests.inference.test_predicting import small


@pytest.mark.parametrize(
    "views",
    [
        Views(),
        Views(2, 1, 4, 3, 40, 50, 12.5, "repeat_last"),
        Views(num_crops=1, crop_size="whole"),
        Views(crop_size=(32, 48)),
    ],
)
def test_plain_values_and_back(views):
    assert Views(**json.loads(json.dumps(views.to_dict()))) == views


def test_numpys_numbers_become_pythons():
    given = Views(
        *np.array([2, 1, 4, 3, 40, 50]), target_fps=np.float32(12.5)
    ).to_dict()
    assert json.loads(json.dumps(given)) == Views(2, 1, 4, 3, 40, 50, 12.5).to_dict()


def test_equal_views_are_written_alike():
    assert Views(crop_size=32) == Views(crop_size=[32, 32])
    own = clip_model(small())
    left_open = Views(num_clips=2).resolved(own).to_dict()
    given = Views(2, num_frames=4, frame_stride=8, crop_size=32).resolved(own).to_dict()
    assert left_open == given


def test_what_the_model_knows_fills_the_gaps():
    model = small(input_shape=(None, 32, 48, 3))
    with pytest.raises(ValueError, match="`num_frames` must be given"):
        Views().resolved(clip_model(model))
    model.clip_info = ClipInfo(num_frames=6, frame_stride=5, target_fps=10)
    views = Views().resolved(clip_model(model))
    assert (views.num_frames, views.frame_stride, views.target_fps) == (6, 5, 10)
    assert views.crop_size == (32, 48)
    views = Views(frame_stride=2).resolved(clip_model(model))
    assert (views.frame_stride, views.target_fps) == (2, None)
    sampler = views.sampler()
    assert sampler.shape == (30, 6, 32, 48, 3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_clips": 0}, "Received: num_clips=0"),
        ({"num_crops": 2}, "Received: num_crops=2"),
        ({"crop_size": 0}, "Received: crop_size=0"),
        ({"crop_size": "all"}, "Received: crop_size='all'"),
        ({"crop_size": "whole"}, "Received: num_crops=3"),
        ({"frame_stride": 0}, "Received: frame_stride=0"),
        ({"short_side": -1}, "Received: short_side=-1"),
        ({"target_fps": 0}, "Received: target_fps=0"),
        ({"short_videos": "stop"}, "Received: short_videos='stop'"),
    ],
)
def test_values_that_cannot_be(values, message):
    with pytest.raises(ValueError, match=message):
        Views(**values)
