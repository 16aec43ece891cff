"""Where the videos are and which labels they have."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from keras_nonlocal.data import files
from keras_nonlocal.data.arguments import is_integer

VIDEO_EXTENSIONS = (
    ".3gp",
    ".avi",
    ".flv",
    ".m4v",
    ".mkv",
    ".mov",
    ".mp4",
    ".mpeg",
    ".mpg",
    ".ogv",
    ".ts",
    ".webm",
    ".wmv",
)
PICTURE_EXTENSIONS = (".jpeg", ".jpg", ".png")


@dataclass(frozen=True)
class VideoList:
    """Paths of videos and what is known of each.

    Args:
        paths: Paths of the files; strings or path objects, kept as strings.
        labels: One per path: a class index, or a tuple of class indices where a video
            may belong to several classes or none. `None`: no labels.
        class_names: Names of the classes, or `None` if they are not known.
        segments: One per path: begin and end in seconds of the part from which clips
            are taken, or `None` for the whole video. `None`: whole videos.
    """

    paths: tuple[str, ...]
    labels: tuple[int | tuple[int, ...], ...] | None = None
    class_names: tuple[str, ...] | None = None
    segments: tuple[tuple[float, float] | None, ...] | None = None

    def __post_init__(self) -> None:
        self._set("paths", (os.fspath(path) for path in self.paths))
        if self.labels is not None:
            self._set("labels", map(_plain_label, self.labels))
        if self.class_names is not None:
            self._set("class_names", self.class_names)
        if self.segments is not None:
            self._set("segments", map(_plain_segment, self.segments))
        for name in ("labels", "segments"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.paths):
                raise ValueError(
                    f"`{name}` must have one entry for each of the "
                    f"{len(self.paths)} paths. Received: {len(values)} {name}"
                )

    def _set(self, name: str, values: Iterable[Any]) -> None:
        # The way for a frozen dataclass.
        object.__setattr__(self, name, tuple(values))

    def select(self, indices: Sequence[int] | np.ndarray) -> Self:
        """Returns the videos at `indices`, in that order."""

        def chosen(values: tuple | None) -> tuple | None:
            return None if values is None else tuple(values[i] for i in indices)

        return replace(
            self,
            paths=tuple(self.paths[i] for i in indices),
            labels=chosen(self.labels),
            segments=chosen(self.segments),
        )

    def existing(self) -> Self:
        """Returns the videos whose files, or folders of frames, are there."""
        is_there = [files.exists(path) for path in self.paths]
        return self.select(np.flatnonzero(is_there))

    def shuffle(self, seed: int) -> Self:
        """Returns the videos in an order that depends on `seed` only."""
        return self.select(np.random.default_rng(seed).permutation(len(self.paths)))

    def split(self, validation_split: float) -> tuple[Self, Self]:
        """Returns the videos for training and, the last ones, for validation."""
        total = len(self.paths)
        num_training = total - int(validation_split * total)
        return (
            self.select(range(num_training)),
            self.select(range(num_training, total)),
        )


def _plain_label(label: Any) -> Any:
    if isinstance(label, np.ndarray):
        label = label.tolist()
    if isinstance(label, Iterable) and not isinstance(label, str):
        return tuple(int(index) for index in label)
    return int(label) if is_integer(label) else label


def _plain_segment(segment: Any) -> tuple[float, ...] | None:
    return None if segment is None else tuple(float(time) for time in segment)


def list_directory(
    directory: Any,
    labels: Any = "inferred",
    class_names: Sequence[str] | None = None,
    follow_links: bool = False,
    frame_folders: bool = False,
) -> VideoList:
    """Lists the videos below a directory in alphanumeric order.

    Args:
        directory: Path of the directory; one with a scheme (`gs://…`) is listed by
            `tf.io.gfile`.
        labels: `"inferred"`: one class per subdirectory; `None`: no labels; or a
            list or tuple with an integer for each video.
        class_names: Names of the subdirectories to use, in the order of the classes.
        follow_links: Whether to visit directories that links point to.
        frame_folders: Whether a video is a folder of JPEG or PNG pictures, to be read
            by `FrameFolderReader`, instead of a file.

    Raises:
        ValueError: If there is nothing to learn from, with the reason.
    """
    directory = os.fspath(directory)
    _check_directory(directory)
    _check_labels(labels, class_names)
    if isinstance(labels, str):
        return _list_classes(directory, class_names, follow_links, frame_folders)
    paths = tuple(_videos_below(directory, follow_links, frame_folders))
    _check_found(paths, directory, frame_folders)
    if labels is None:
        return VideoList(paths)
    if len(labels) != len(paths):
        raise ValueError(
            f"`labels` must have one entry for each of the {len(paths)} videos in "
            f"{directory!r}. Received: {len(labels)} labels"
        )
    names = tuple(str(label) for label in sorted({*labels}))
    return VideoList(paths, tuple(int(label) for label in labels), names)


def _check_directory(directory: str) -> None:
    if not files.exists(directory):
        raise ValueError(
            f"`directory` does not exist. Received: directory={directory!r}"
        )
    if not files.is_directory(directory):
        raise ValueError(
            "`directory` must be a directory, not a file. "
            f"Received: directory={directory!r}"
        )


def _check_labels(labels: Any, class_names: Any) -> None:
    if isinstance(labels, str) and labels == "inferred":
        return
    if labels is not None and (
        not isinstance(labels, list | tuple)
        or not all(is_integer(label) and label >= 0 for label in labels)
    ):
        raise ValueError(
            '`labels` must be "inferred", None or a list or tuple with a class '
            f"index for each video. Received: labels={labels!r}"
        )
    if class_names is not None:
        raise ValueError(
            '`class_names` can only be given with `labels="inferred"`. '
            f"Received: labels={labels!r}, class_names={class_names!r}"
        )


def _list_classes(
    directory: str,
    class_names: Sequence[str] | None,
    follow_links: bool,
    frame_folders: bool,
) -> VideoList:
    found = [
        name
        for name in files.list_names(directory)
        if not name.startswith(".")
        and files.is_directory(os.path.join(directory, name))
    ]
    names = found if class_names is None else [*class_names]
    if not {*names} <= {*found} or len({*names}) < len(names):
        raise ValueError(
            "`class_names` must name different subdirectories of "
            f"{directory!r}, which are {found}. Received: class_names={class_names!r}"
        )
    paths: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        folder = os.path.join(directory, name)
        videos = [*_videos_below(folder, follow_links, frame_folders)]
        paths += videos
        labels += [label] * len(videos)
    if names:
        _check_found(paths, directory, frame_folders)
    if len(names) < 2:
        raise ValueError(
            "`directory` must have a subdirectory for each of at least two classes "
            "if `labels` are inferred; pass `labels=None` for videos without "
            f"labels. Received: directory={directory!r} with the classes {names}"
        )
    return VideoList(tuple(paths), tuple(labels), tuple(names))


def _videos_below(
    directory: str, follow_links: bool, frame_folders: bool
) -> Iterator[str]:
    extensions = PICTURE_EXTENSIONS if frame_folders else VIDEO_EXTENSIONS
    for folder, _, names in files.walk(directory, follow_links):
        videos = [
            os.path.join(folder, name)
            for name in names
            if name.lower().endswith(extensions) and not name.startswith(".")
        ]
        if not frame_folders:
            yield from videos
        elif videos:
            yield folder


def _check_found(paths: Sequence[str], directory: str, frame_folders: bool) -> None:
    if not paths:
        what = "folders of pictures" if frame_folders else "videos"
        extensions = PICTURE_EXTENSIONS if frame_folders else VIDEO_EXTENSIONS
        raise ValueError(
            f"`directory` holds no {what} (files that end with "
            f"{', '.join(extensions)}). Received: directory={directory!r}"
        )
