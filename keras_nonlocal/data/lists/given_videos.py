"""Tells lists of videos from videos, and lists with labels from those without."""

import codecs
import os

from keras_nonlocal import files
from keras_nonlocal.data.lists.entries import is_heading, numbered_lines
from keras_nonlocal.data.lists.line_parts import path_and_indices, unquoted
from keras_nonlocal.data.lists.lines import read_path_label_list as read_lines
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.data.lists.video_search import (
    PICTURE_EXTENSIONS,
    RECORD_EXTENSION,
    VIDEO_EXTENSIONS,
)

_SAMPLE = 4096  # bytes that tell text from media
_HEADINGS_OF_PATHS = {"path", "file", "filename", "video"}


def is_list(path: str) -> bool:
    """Whether a path names a list of videos rather than a video.

    A list is a text file without the extension of a video, record or picture.
    """
    media = (*VIDEO_EXTENSIONS, RECORD_EXTENSION, *PICTURE_EXTENSIONS)
    if path.lower().endswith(media):
        return False
    if not files.exists(path) or files.is_directory(path):
        return False
    with files.open_bytes(path) as file:
        begin = file.read(_SAMPLE)
    if begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    try:
        # The last character may be incomplete.
        codecs.getincrementaldecoder("utf-8")().decode(begin)
    except UnicodeDecodeError:
        return False
    return b"\0" not in begin


def read_paths(file: str, root: str = "", several_labels: bool = False) -> VideoList:
    """Reads a list with a path per line and drops its labels, if it has any.

    A list has labels if its first line ends in them and does not name a file as a
    whole.

    Args:
        file: The list.
        root: Directory to which the paths are relative.
        several_labels: As in `keras_nonlocal.data.read_path_label_list`.

    Raises:
        ValueError: If a line does not have the form of the first one.
    """
    _, first = next(numbered_lines(file), (0, ""))
    is_path = files.exists(os.path.join(root, unquoted(first)))
    if not is_path and (is_heading(first) or path_and_indices(first, several_labels)):
        return read_lines(file, root, several_labels=several_labels)
    videos = read_lines(file, root, with_labels=False)
    if not is_path and unquoted(first).lower() in _HEADINGS_OF_PATHS:
        return videos.select(range(1, len(videos.paths)))
    return videos
