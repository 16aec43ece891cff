"""The videos for training, validation and testing."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keras_nonlocal import files
from keras_nonlocal.runs.setting_groups import DataSettings, LabelMode
from keras_nonlocal.runs.video_sources import read_videos, read_videos_of_classes

if TYPE_CHECKING:
    from keras_nonlocal.data import VideoList


@dataclass(frozen=True)
class TrainingVideos:
    """The videos of each part, and the format of their labels.

    Attributes:
        training: The training videos.
        validation: The validation videos, if any.
        test: The videos of the final test, if any.
        classes: Number of classes.
        label_mode: Format of the labels.
        found: Sources of the parts that the settings do not name, but that lie beside
            the training videos.
    """

    training: "VideoList"
    validation: "VideoList | None"
    test: "VideoList | None"
    classes: int
    label_mode: LabelMode
    found: dict[str, str]

    @classmethod
    def of(cls, settings: DataSettings, seed: int) -> "TrainingVideos":
        """Reads the videos.

        Args:
            settings: The settings with the sources of the videos.
            seed: Seed of the split.

        Raises:
            ValueError: If a part has no videos, or has classes that the training part
                does not have.
        """
        sources = _sources(settings)
        how = (settings.list_format, os.fspath(settings.root))
        training = read_videos(sources["training"], *how, settings.class_names)
        lists = {"training": training}
        for part, source in sources.items():
            if part != "training":
                names = training.class_names
                lists[part] = read_videos_of_classes(source, *how, names)
        classes = training.num_classes
        for part, videos in lists.items():
            _check_part(part, videos, sources[part], training, classes)
        validation = lists.get("validation")
        if settings.validation_split is not None:
            training, validation = _split(
                training.shuffle(seed), settings.validation_split
            )
        mode = settings.label_mode or _label_mode(training)
        _check_label_mode(mode, training, classes)
        named = {"training", *_named_sources(settings)}
        found = {part: sources[part] for part in sources if part not in named}
        return cls(training, validation, lists.get("test"), classes, mode, found)

    def fingerprints(self) -> dict[str, str | None]:
        """Returns hashes of the paths, labels and class names that the run uses.

        Those of the test also depend on the sizes and dates of the files, so that no
        score of a replaced one is kept.
        """
        validation, test = self.validation, self.test
        states = [] if test is None else [files.state(path) for path in test.paths]
        return {
            "training": _fingerprint(self.training),
            "validation": None if validation is None else _fingerprint(validation),
            "test": None if test is None else _fingerprint(test, states),
        }


def _sources(settings: DataSettings) -> dict[str, str]:
    """Returns the source of the videos of each part."""
    if settings.videos is None:
        raise ValueError("`videos` must be a directory or a list. Received: None")
    sources = _named_sources(settings)
    directory = sources["training"]
    if os.path.isdir(os.path.join(directory, "train")):
        sources["training"] = os.path.join(directory, "train")
        for part, folder in (("validation", "val"), ("test", "test")):
            beside = os.path.join(directory, folder)
            if part not in sources and os.path.isdir(beside):
                sources[part] = beside
    if settings.validation_split is not None and "validation" in sources:
        raise ValueError(
            "`validation_split` can be given only without videos to validate on. "
            f"Received: validation_split={settings.validation_split} beside "
            f"{sources['validation']!r}"
        )
    return sources


def _named_sources(settings: DataSettings) -> dict[str, str]:
    given = {
        "training": settings.videos,
        "validation": settings.validation,
        "test": settings.test,
    }
    return {part: os.fspath(path) for part, path in given.items() if path}


def _check_part(
    part: str, videos: "VideoList", source: str, training: "VideoList", classes: int
) -> None:
    if not videos.paths:
        raise ValueError(
            f"The videos for {part} must be at least one. Received: none in {source!r}"
        )
    if training.class_names is None and videos.class_names is not None:
        raise ValueError(
            "`class_names` must name the classes of a list for training if those of "
            f"the videos for {part} have names. Received: class_names=None"
        )
    if videos.class_names != training.class_names:
        raise ValueError(
            f"The videos for {part} must have the classes of those for training, "
            f"{training.class_names}. Received: {videos.class_names}"
        )
    for path, row in _label_rows(videos):
        for label in row:
            if not 0 <= label < classes:
                raise ValueError(
                    f"The videos for {part} must have labels from 0 to {classes - 1}, "
                    f"those for training. Received: {label} for {path!r}"
                )


def _split(videos: "VideoList", share: float) -> "tuple[VideoList, VideoList]":
    training, validation = videos.split(share)
    if not training.paths or not validation.paths:
        raise ValueError(
            "`validation_split` must leave videos for training and for validation. "
            f"Received: validation_split={share} of {len(videos.paths)} videos"
        )
    return training, validation


def _label_mode(videos: "VideoList") -> LabelMode:
    return "multi_hot" if videos.is_multi_label else "int"


def _check_label_mode(mode: LabelMode, videos: "VideoList", classes: int) -> None:
    if mode != "multi_hot" and _label_mode(videos) == "multi_hot":
        raise ValueError(
            '`label_mode` must be "multi_hot" for videos with several labels. '
            f"Received: label_mode={mode!r}"
        )
    if mode == "binary" and classes != 2:
        raise ValueError(
            '`label_mode` can be "binary" for two classes only. '
            f"Received: label_mode={mode!r} with {classes} classes"
        )


def _fingerprint(videos: "VideoList", *more: Any) -> str:
    content = (videos.paths, videos.labels, videos.segments, videos.class_names, *more)
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _label_rows(videos: "VideoList") -> Iterator[tuple[str, tuple[int, ...]]]:
    for path, label in zip(videos.paths, videos.labels or (), strict=False):
        yield path, label if isinstance(label, tuple) else (label,)
