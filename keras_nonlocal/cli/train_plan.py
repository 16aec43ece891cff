"""The videos of a training, and what follows from their number."""

import argparse
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keras_nonlocal.cli.class_names import read_class_names
from keras_nonlocal.cli.video_lists import read_videos

if TYPE_CHECKING:
    from keras_nonlocal.data import VideoList

_POSITIVE = (
    "batch_size",
    "gradient_accumulation",
    "num_clips",
    "save_every",
    "updates",
)


@dataclass(frozen=True)
class TrainingVideos:
    """The videos and how their labels are to be read."""

    training: "VideoList"
    validation: "VideoList | None"
    test: "VideoList | None"
    classes: int
    is_multi_label: bool

    @classmethod
    def of(cls, options: argparse.Namespace) -> "TrainingVideos":
        parts = _parts(options)
        names = None
        if options.class_names is not None:
            names = read_class_names(options.class_names)
        lists = {
            part: read_videos(path, options, names)
            for part, path in parts.items()
            if path
        }
        for part, videos in lists.items():
            if not videos.paths:
                raise ValueError(
                    f"The videos for {part} must be at least one. "
                    f"Received: none in {parts[part]!r}"
                )
        training = lists["training"]
        validation = lists.get("validation")
        classes = _classes(training)
        if options.validation_split is not None:
            if validation is not None:
                raise ValueError(
                    "Either `--validation` or `--validation-split` can be given. "
                    f"Received: validation_split={options.validation_split}"
                )
            training, validation = _split(
                training.shuffle(options.seed), options.validation_split
            )
        for part, videos in lists.items():
            if videos.class_names != training.class_names:
                raise ValueError(
                    f"The videos for {part} must have the classes of those for "
                    f"training, {training.class_names}. Received: {videos.class_names}"
                )
            _check_labels(part, videos, classes)
        return cls(
            training,
            validation,
            lists.get("test"),
            classes,
            any(isinstance(label, tuple) for label in training.labels or ()),
        )

    def fingerprints(self) -> dict[str, str | None]:
        """Hashes of what the training sees: paths, labels and names of the classes."""
        validation = self.validation
        return {
            "training": _fingerprint(self.training),
            "validation": None if validation is None else _fingerprint(validation),
        }


def _split(videos: "VideoList", share: float) -> "tuple[VideoList, VideoList]":
    if not 0 < share < 1:
        raise ValueError(
            "`--validation-split` must be a share between 0 and 1. "
            f"Received: validation_split={share}"
        )
    training, validation = videos.split(share)
    if not training.paths or not validation.paths:
        raise ValueError(
            "`--validation-split` must leave videos for the training and for the "
            f"validation. Received: validation_split={share} of {len(videos.paths)}"
        )
    return training, validation


def _fingerprint(videos: "VideoList") -> str:
    content = (videos.paths, videos.labels, videos.segments, videos.class_names)
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _label_rows(videos: "VideoList") -> Iterator[tuple[str, tuple[int, ...]]]:
    for path, label in zip(videos.paths, videos.labels or (), strict=False):
        yield path, label if isinstance(label, tuple) else (label,)


def _classes(videos: "VideoList") -> int:
    labels = (index for _, row in _label_rows(videos) for index in row)
    return max(max(labels, default=-1) + 1, len(videos.class_names or ()))


def _check_labels(part: str, videos: "VideoList", classes: int) -> None:
    for path, row in _label_rows(videos):
        for label in row:
            if not 0 <= label < classes:
                raise ValueError(
                    f"The videos for {part} must have labels from 0 to {classes - 1}, "
                    f"those for training. Received: {label} for {path!r}"
                )


def _parts(options: argparse.Namespace) -> dict[str, str | None]:
    """Where the videos of each part are."""
    parts = {
        "training": options.videos,
        "validation": options.validation,
        "test": options.test,
    }
    if os.path.isdir(os.path.join(options.videos, "train")):
        parts["training"] = os.path.join(options.videos, "train")
        for part, folder in (("validation", "val"), ("test", "test")):
            beside = os.path.join(options.videos, folder)
            if parts[part] is None and os.path.isdir(beside):
                parts[part] = beside
    return parts


@dataclass(frozen=True)
class TrainingPlan:
    """What follows from the options and the number of videos."""

    num_videos: int
    num_validation_videos: int
    num_test_videos: int
    classes: int
    steps_per_epoch: int
    epochs: int
    updates: int
    first_learning_rate: float

    @classmethod
    def of(cls, options: argparse.Namespace, data: TrainingVideos) -> "TrainingPlan":
        from keras_nonlocal.training import scaled_learning_rate

        for name in _POSITIVE:
            _check_positive(name, getattr(options, name))
        accumulated = options.gradient_accumulation
        num_videos = len(data.training.paths)
        steps = -(-num_videos // options.batch_size)
        epochs = options.epochs
        if epochs is None:
            epochs = round(options.updates * accumulated / steps)
            epochs = max(epochs, -(-accumulated // steps))
        _check_positive("epochs", epochs)
        updates = epochs * steps // accumulated
        if not updates:
            raise ValueError(
                "`--gradient-accumulation` must be at most the number of batches of "
                f"the training, {epochs * steps}. "
                f"Received: gradient_accumulation={accumulated}"
            )
        return cls(
            num_videos,
            0 if data.validation is None else len(data.validation.paths),
            0 if data.test is None else len(data.test.paths),
            data.classes,
            steps,
            epochs,
            updates,
            scaled_learning_rate(
                options.batch_size * accumulated, options.learning_rate
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def _check_positive(name: str, value: int) -> None:
    if value < 1:
        option = f"--{name.replace('_', '-')}"
        raise ValueError(f"`{option}` must be positive. Received: {name}={value}")
