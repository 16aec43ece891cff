"""Matches the labels of videos to the order of a model's scores."""

import os
from collections.abc import Sequence
from typing import Any

from keras_nonlocal.data.lists.directories import list_directory, list_known_classes
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.models.clip_model import ClipModel


def labeled_videos(
    videos: VideoList | str | os.PathLike[str],
    class_names: Sequence[str] | None,
    own: ClipModel,
) -> tuple[VideoList, tuple[str, ...]]:
    """Returns the videos, labeled with the model's class indices, and the class names.

    Args:
        videos: A list with labels, or a directory with a folder per class.
        class_names: Names of the model's classes, or `None` for the names stored in the
            model, or else those of the videos.
        own: The model.

    Raises:
        ValueError: If the labels do not fit the model.
    """
    known = class_names if class_names is not None else own.class_names
    if known is not None and len({*known}) < len(known):
        raise ValueError(
            "`class_names` must hold a different name for each class. "
            f"Received: class_names={tuple(known)}"
        )
    if not isinstance(videos, VideoList):
        if known is None:
            videos = list_directory(videos)
        else:
            videos = _class_by_class(list_known_classes(os.fspath(videos), known))
    _check_labeled(videos)
    if known is not None:
        videos = _renamed(videos, tuple(known), is_given=class_names is not None)
    count = _num_classes(videos, own)
    names = videos.class_names or tuple(map(str, range(count)))
    if len(names) != count:
        one_logit = own.num_outputs == 1 and not own.is_binary and len(names) == 2
        hint = "; one output needs a sigmoid to decide between two" * one_logit
        raise ValueError(
            f"`videos` must have the {count} classes of the model, or `class_names` "
            f"must name those{hint}. Received: {len(names)} classes"
        )
    # If a list has no class names, numbers are used, which its labels may exceed.
    largest = max((i for row in _rows(videos) for i in row), default=0)
    if largest >= count:
        raise ValueError(
            f"The labels of `videos` must be below {count}, the number of the model's "
            f"classes; they count from 0. Received: the label {largest}"
        )
    return videos, names


def _class_by_class(videos: VideoList) -> VideoList:
    """Returns the videos in the order in which `list_directory` lists classes."""
    labels: Any = videos.labels
    return videos.select(sorted(range(len(labels)), key=lambda index: labels[index]))


def _check_labeled(videos: VideoList) -> None:
    if not videos.paths or videos.labels is None:
        raise ValueError(
            "`videos` must hold at least one video, with labels. "
            f"Received: {len(videos.paths)} videos, "
            f"{'no' if videos.labels is None else 'with'} labels"
        )


def _renamed(videos: VideoList, names: tuple[str, ...], is_given: bool) -> VideoList:
    """Returns the videos with the model's class names and matching labels."""
    own_names = videos.class_names
    if own_names is None or own_names == names:
        return VideoList(videos.paths, videos.labels, names, videos.segments)
    if not is_given and len(own_names) == len(names) and not {*own_names} & {*names}:
        # The list uses different names for the same classes.
        return videos
    return videos.with_class_names(names)


def _num_classes(videos: VideoList, own: ClipModel) -> int:
    # A sigmoid unit decides between two classes or on the presence of one label.
    return own.num_outputs if videos.is_multi_label else own.num_classes


def _rows(videos: VideoList) -> list[tuple[int, ...]]:
    return [
        label if isinstance(label, tuple) else (label,) for label in videos.labels or ()
    ]
