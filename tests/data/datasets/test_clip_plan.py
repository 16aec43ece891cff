"""The arguments of the dataset functions, sorted into values."""

import inspect

import pytest

from keras_nonlocal.data import (
    ClipSampler,
    FailurePolicy,
    FramingSampler,
    VideoList,
    video_dataset_from_directory,
    video_dataset_from_list,
    video_dataset_from_tfds,
)
from keras_nonlocal.data.datasets.clip_plan import Batches, ClipPlan, Order, Split
from keras_nonlocal.data.datasets.labels import Labeling


def plan(*, num_clips=None, num_crops=None, augment=None, **order):
    return ClipPlan(
        ClipSampler(4, num_clips=num_clips),
        FramingSampler(32, num_crops=num_crops),
        Order(**{"seed": 3} | order),
        Batches(),
        Labeling(),
        FailurePolicy(),
        augment,
    )


@pytest.mark.parametrize(
    ("options", "training", "validation"),
    [
        ({}, 3, None),
        ({"shuffle": False}, None, None),
        ({"num_clips": 1}, None, None),
        ({"num_crops": 1}, None, None),
        ({"augment": False}, None, None),
        ({"augment": True, "shuffle": False}, 3, 3),
    ],
)
def test_what_is_drawn_at_random(options, training, validation):
    views = plan(**options)
    assert views.views("training").seed == training
    assert views.views("validation").seed == validation


def test_only_training_is_shuffled_in_each_epoch():
    assert (plan().order_seed(), plan().order_seed("validation")) == (3, None)
    assert plan(shuffle=False).order_seed() is None


def test_a_seed_is_drawn_once():
    order = Order()
    assert order.seed is None
    assert order.used_seed == order.used_seed
    assert Order().used_seed != Order().used_seed


def test_parts_of_a_list():
    videos = VideoList(tuple("abcde"))
    both = Split(0.4, "both").parts(videos)
    assert [part.paths for part in both.values()] == [("a", "b", "c"), ("d", "e")]
    assert [*Split(0.4, "validation").parts(videos)] == ["validation"]
    assert Split().parts(videos) == {"training": videos}


@pytest.mark.parametrize(
    "function",
    [video_dataset_from_directory, video_dataset_from_list, video_dataset_from_tfds],
)
def test_every_argument_is_documented_by_itself(function):
    documentation = inspect.getdoc(function)
    for name in inspect.signature(function).parameters:
        assert f"\n    {name}: " in documentation
    assert "As in" not in documentation
