"""Lists the videos of a directory, with a folder per class or without classes."""

import os
import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from keras_nonlocal import files
from keras_nonlocal.arguments import is_integer
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.data.lists.video_search import VideoSearch, is_hidden

# Names of the splits of a data set, such as `train`, `val_256` and `testing-set`.
_SPLIT = re.compile(
    r"(train(ing|[-_]?val)?|test(ing)?|val(id(ation)?)?|dev|eval(uation)?|holdout)"
    r"([-_ ]?(set|split|data|videos|frames|\d+))*",
    re.IGNORECASE,
)


def list_directory(
    directory: str | os.PathLike[str],
    labels: Literal["inferred"] | Sequence[int] | np.ndarray | None = "inferred",
    class_names: Sequence[str] | None = None,
    follow_links: bool = False,
    frame_folders: bool = False,
) -> VideoList:
    """Lists the videos below a directory in alphanumeric order.

    Hidden and system folders and files are skipped at any depth. One warning to the
    logger `keras_nonlocal` counts everything else that is left out: files outside of
    the class folders, files with unknown extensions, and links to folders. Another one
    names the classes without videos, which keep their labels.

    Args:
        directory: Path of the directory. A path with a scheme (`gs://…`) is listed by
            `tf.io.gfile`.
        labels: `"inferred"` for one class per subdirectory, `None` for no labels, or a
            list, tuple or array with an integer for each video. Defaults to
            `"inferred"`.
        class_names: Names of the subdirectories to use, in the order of the classes.
            Defaults to all subdirectories in alphanumeric order.
        follow_links: Whether to follow links to directories. Defaults to `False`.
        frame_folders: Whether a video is a folder of JPEG or PNG pictures, for
            `FrameFolderReader`, instead of a file. Defaults to `False`.

    Raises:
        ValueError: If there are no videos or fewer than two classes, or if the
            subdirectories are the splits of a data set instead of its classes.
    """
    directory = os.fspath(directory)
    if isinstance(labels, np.ndarray):
        labels = labels.tolist()
    _check_directory(directory)
    _check_labels(labels, class_names)
    search = VideoSearch(follow_links, "frame_folders" if frame_folders else "files")
    if isinstance(labels, str):
        return _list_classes(directory, class_names, search)
    paths = tuple(search.below(directory))
    search.report(directory)
    _check_found(paths, directory, search)
    if labels is None:
        return VideoList(paths)
    if len(labels) != len(paths):
        raise ValueError(
            f"`labels` must have one entry for each of the {len(paths)} videos in "
            f"{directory!r}. Received: {len(labels)} labels"
        )
    names = tuple(str(label) for label in sorted({*labels}))
    return VideoList(paths, tuple(int(label) for label in labels), names)


def list_media(directory: str) -> tuple[str, ...]:
    """Lists the video files and the folders of frames below a directory.

    A folder of frames has at least two JPEG or PNG pictures and no video files. The
    directory itself can be one. The rest is as in `list_directory`.

    Raises:
        ValueError: If there are no videos.
    """
    search = VideoSearch(follow_links=False, media="both")
    paths = tuple(search.below(directory))
    search.report(directory)
    _check_found(paths, directory, search)
    return paths


def list_known_classes(directory: str, class_names: Sequence[str]) -> VideoList:
    """Lists a directory with the folders of known classes.

    The folders of some classes may be missing. Videos outside of folders are left out.

    Raises:
        ValueError: If a folder with videos does not have the name of a class.
    """
    places = {name: index for index, name in enumerate(class_names)}
    found = []
    for path in list_directory(directory, labels=None).paths:
        # Paths with a scheme have slashes on every system.
        below = path[len(directory) :].replace(os.sep, "/").strip("/")
        folder, slash, _ = below.partition("/")
        if slash:
            found.append((path, folder))
    unknown = sorted({folder for _, folder in found} - {*class_names})
    if unknown:
        raise ValueError(
            f"The videos in {directory!r} must lie in folders with the names of the "
            f"model's classes. Received: {unknown[0]!r}, which is not in "
            f"{[*class_names]}"
        )
    return VideoList(
        tuple(path for path, _ in found),
        tuple(places[folder] for _, folder in found),
        tuple(class_names),
    )


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
            '`labels` must be "inferred", None, or a list, tuple or array with '
            f"a class index for each video. Received: labels={labels!r}"
        )
    if class_names is not None:
        raise ValueError(
            '`class_names` can only be given with `labels="inferred"`. '
            f"Received: labels={labels!r}, class_names={class_names!r}"
        )


def _list_classes(
    directory: str, class_names: Sequence[str] | None, search: VideoSearch
) -> VideoList:
    found, others = _subdirectories(directory)
    names = found if class_names is None else [*class_names]
    if not {*names} <= {*found} or len({*names}) < len(names):
        raise ValueError(
            "`class_names` must name different subdirectories of "
            f"{directory!r}, which are {found}. Received: class_names={class_names!r}"
        )
    if class_names is None:
        _check_not_splits(directory, names)
    by_class = [search.of_class(os.path.join(directory, name)) for name in names]
    paths = [path for videos in by_class for path in videos]
    labels = [label for label, videos in enumerate(by_class) for _ in videos]
    search.count_outside(others)
    search.report(directory)
    if names:
        _check_found(paths, directory, search)
    if len(names) < 2:
        raise ValueError(
            "`directory` must have a subdirectory for each of at least two classes; "
            "pass `labels=None` for videos without labels. "
            f"Received: directory={directory!r} with the classes {names}"
        )
    return VideoList(tuple(paths), tuple(labels), tuple(names))


def _subdirectories(directory: str) -> tuple[list[str], list[str]]:
    """Returns the names of the folders that may be classes, and of the files."""
    folders, others = [], []
    for name in files.list_names(directory):
        if files.is_directory(os.path.join(directory, name)):
            folders += [] if is_hidden(name) else [name]
        else:
            others.append(name)
    return folders, others


def _check_not_splits(directory: str, names: Sequence[str]) -> None:
    if not names or not all(_SPLIT.fullmatch(name) for name in names):
        return
    first = next((name for name in names if name.lower().startswith("train")), names[0])
    raise ValueError(
        f"The subdirectories {', '.join(names)} are splits of a data set, not classes; "
        f"pass one of them, such as {os.path.join(directory, first)!r}, or "
        f"name them in `class_names`. Received: directory={directory!r}"
    )


def _check_found(paths: Sequence[str], directory: str, search: VideoSearch) -> None:
    if not paths:
        what = "videos" if ".mp4" in search.extensions else "folders of pictures"
        raise ValueError(
            f"`directory` holds no {what} (files that end with "
            f"{', '.join(search.extensions)}). Received: directory={directory!r}"
        )
