"""Makes rare classes count as much as frequent ones."""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from keras_nonlocal.data import VideoList


def class_weights(videos: "VideoList") -> dict[int, float]:
    """Returns the weight of each class that has videos, for `fit`.

    The weights are inverse to the numbers of videos, and 1 on average over the videos,
    as with `class_weight="balanced"` in scikit-learn.

    Raises:
        ValueError: If a video has several labels.
    """
    counts = Counter(_labels(videos))
    mean = sum(counts.values()) / len(counts)
    return {label: mean / count for label, count in sorted(counts.items())}


def evenly_sampled(videos: "VideoList") -> "VideoList":
    """Returns a list in which every class has as many entries as the largest one.

    The videos of smaller classes are repeated, each nearly as often as the others.

    Raises:
        ValueError: If a video has several labels.
    """
    labels = np.array(_labels(videos))
    largest = np.bincount(labels).max()
    return videos.select(
        np.concatenate(
            [
                np.resize(np.flatnonzero(labels == label), largest)
                for label in np.unique(labels)
            ]
        )
    )


def _labels(videos: "VideoList") -> list[int]:
    if videos.is_multi_label:
        raise ValueError(
            "`class_balance` must be None for videos with several labels. "
            f"Received: the labels {max(videos.labels or (), key=np.size)}"
        )
    return [int(np.squeeze(label)) for label in videos.labels or ()]
