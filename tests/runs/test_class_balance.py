"""Weights and repetitions of videos of rare classes."""

from collections import Counter

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from keras_nonlocal.data import VideoList
from keras_nonlocal.runs.class_balance import class_weights, evenly_sampled


@pytest.fixture
def videos(rng):
    labels = [0, 2, 3, *rng.choice(4, 40, p=(0.6, 0.0, 0.3, 0.1)).tolist()]
    paths = tuple(f"{number}.mp4" for number in range(len(labels)))
    return VideoList(paths, tuple(labels), ("a", "b", "c", "d"))


def test_weights_are_those_of_scikit_learn(videos):
    weights = class_weights(videos)
    classes = np.unique(videos.labels)
    expected = compute_class_weight("balanced", classes=classes, y=videos.labels)
    assert weights == pytest.approx(dict(zip(classes.tolist(), expected, strict=True)))
    assert np.mean([weights[label] for label in videos.labels]) == pytest.approx(1)


def test_sampling_repeats_the_videos_of_rare_classes(videos):
    sampled = evenly_sampled(videos)
    assert {*sampled.paths} == {*videos.paths}
    assert sampled.class_names == videos.class_names
    assert len({*Counter(sampled.labels).values()}) == 1
    label_of = dict(zip(videos.paths, videos.labels, strict=True))
    assert [label_of[path] for path in sampled.paths] == [*sampled.labels]
    times = Counter(sampled.paths)
    for label in {*videos.labels}:
        own = [times[path] for path in videos.paths if label_of[path] == label]
        assert max(own) - min(own) <= 1


def test_videos_with_several_labels_are_refused():
    videos = VideoList(("a.mp4", "b.mp4"), ((0, 1), (1,)), ("x", "y"))
    for balance in (class_weights, evenly_sampled):
        with pytest.raises(ValueError, match=r"Received: the labels \(0, 1\)"):
            balance(videos)
