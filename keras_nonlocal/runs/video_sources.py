"""Reads the videos of a directory or a list."""

import itertools
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from keras_nonlocal.runs.record_lists import (
    class_names_beside,
    list_in,
    root_of_list,
    with_classes,
)
from keras_nonlocal.runs.setting_groups import ListFormat

if TYPE_CHECKING:
    from keras_nonlocal.data import VideoList


def read_videos(
    source: str,
    list_format: ListFormat = "path-label",
    root: str = "",
    class_names: Sequence[str] | None = None,
) -> "VideoList":
    """Reads the videos of a directory with a folder per class, or of a list.

    Args:
        source: The directory or the list, or a folder of records with the list that
            `write-records` has written there.
        list_format: Format of the list.
        root: Directory to which the paths in the list are relative.
        class_names: Names of the classes, in the order of the scores. Defaults to those
            of the directory or the list. A list of records has those in the file
            `class_names.txt` beside it, and is read as a directory with their folders.

    Raises:
        ValueError: If there are no videos, the list has a different format, or a record
            belongs to none of the classes.
    """
    source = list_in(source)
    if os.path.isdir(source):
        from keras_nonlocal.data import list_directory

        return list_directory(source, class_names=class_names)
    _check_list(source)
    own = class_names_beside(source)
    return _read_list(source, list_format, root, class_names, own)


def read_given_videos(
    sources: Sequence[str], list_format: ListFormat = "path-label", root: str = ""
) -> "VideoList":
    """Reads the videos that a user names, without labels.

    Args:
        sources: Video files, folders of frames, directories with either of them at any
            depth, and lists: text files without the extension of a video. A list in the
            first two formats may also hold paths alone.
        list_format: Format of the lists.
        root: Directory to which the paths in lists are relative.

    Raises:
        ValueError: If a directory or a list holds no videos, or a list has a different
            format.
    """
    from keras_nonlocal.data import VideoList

    found = [_given_paths(source, list_format, root) for source in sources]
    return VideoList(tuple(itertools.chain.from_iterable(found)))


def read_videos_of_classes(
    source: str,
    list_format: ListFormat,
    root: str,
    class_names: Sequence[str] | None,
) -> "VideoList":
    """Reads videos as `read_videos` does, for a model that knows these classes.

    A directory may lack the folders of some classes, and so may records. Without names,
    the numbers in a list count, whatever names are beside it.

    Raises:
        ValueError: If a folder with videos does not belong to a class.
    """
    source = list_in(source)
    if os.path.isdir(source):
        if class_names is None:
            return read_videos(source)
        from keras_nonlocal.data.lists.directories import list_known_classes

        return list_known_classes(source, class_names)
    _check_list(source)
    own = None if class_names is None else class_names_beside(source)
    return _read_list(source, list_format, root, class_names, own)


def _check_list(source: str) -> None:
    from keras_nonlocal.data.lists.video_search import (
        RECORD_EXTENSION,
        VIDEO_EXTENSIONS,
    )

    problem = None
    if not os.path.isfile(source):
        problem = "which does not exist"
    elif source.lower().endswith((*VIDEO_EXTENSIONS, RECORD_EXTENSION)):
        problem = "a single video"
    if problem is not None:
        raise ValueError(
            "The videos must be a directory with a folder per class, or a list. "
            f"Received: {source!r}, {problem}"
        )


def _given_paths(source: str, list_format: ListFormat, root: str) -> tuple[str, ...]:
    from keras_nonlocal.data.lists.directories import list_media
    from keras_nonlocal.data.lists.given_videos import is_list, read_paths

    source = list_in(source)
    if os.path.isdir(source):
        return list_media(source)
    if not is_list(source):
        return (source,)
    if list_format in ("path-label", "path-labels"):
        place = root_of_list(source, root)
        videos = read_paths(source, place, list_format == "path-labels")
    else:
        videos = _read_list(source, list_format, root)
    if not videos.paths:
        raise ValueError(f"A list must hold at least one video. Received: {source!r}")
    return videos.paths


def _read_list(
    source: str,
    list_format: ListFormat,
    root: str,
    class_names: Sequence[str] | None = None,
    own: Sequence[str] | None = None,
) -> "VideoList":
    """Reads a list whose numbers count in its own class names, if it has any."""
    from keras_nonlocal import data

    readers: dict[ListFormat, Callable[..., VideoList]] = {
        "path-label": data.read_path_label_list,
        "path-labels": _several_labels,
        "kinetics": data.read_kinetics_csv,
        "charades": data.read_charades_csv,
    }
    place = root_of_list(source, root)
    if class_names is None or own is None or not {*own} & {*class_names}:
        # Names without any of the list's are others for the same classes.
        return readers[list_format](source, place, class_names or own)
    videos = readers[list_format](source, place, own)
    return with_classes(videos, class_names, source)


def _several_labels(file: str, root: str, names: Sequence[str] | None) -> "VideoList":
    from keras_nonlocal.data import read_path_label_list

    return read_path_label_list(file, root, names, several_labels=True)
