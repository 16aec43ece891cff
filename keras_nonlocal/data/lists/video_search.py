"""Finds the videos below a folder and counts what it leaves out."""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from typing import Literal

from keras_nonlocal import files

Media = Literal["files", "frame_folders", "both"]

RECORD_EXTENSION = ".tfrecord"
VIDEO_EXTENSIONS = (
    ".264",
    ".265",
    ".3g2",
    ".3gp",
    ".asf",
    ".avc",
    ".avi",
    ".divx",
    ".f4v",
    ".flv",
    ".gif",
    ".h264",
    ".h265",
    ".hevc",
    ".m1v",
    ".m2ts",
    ".m2v",
    ".m4v",
    ".mkv",
    ".mov",
    ".mp4",
    ".mp4v",
    ".mpe",
    ".mpeg",
    ".mpg",
    ".mts",
    ".mxf",
    ".ogg",
    ".ogv",
    ".qt",
    ".ts",
    ".vob",
    ".webm",
    ".wmv",
)
PICTURE_EXTENSIONS = (".jpeg", ".jpg", ".png")

# Folders and files of operating systems and programs, in lower case.
_SYSTEM_NAMES = {
    "__macosx",
    "@eadir",
    "@recycle",
    "@tmp",
    "#recycle",
    "#snapshot",
    "lost+found",
    "$recycle.bin",
    "recycler",
    "system volume information",
    "network trash folder",
    "temporary items",
    "__pycache__",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
}

_LOGGER = logging.getLogger("keras_nonlocal")


def is_hidden(name: str) -> bool:
    """Whether a file or folder belongs to a system or a program instead of the user."""
    return name.startswith((".", "~$")) or name.lower() in _SYSTEM_NAMES


class VideoSearch:
    """Finds videos at any depth, except in hidden and system folders.

    Args:
        follow_links: Whether to follow links to folders.
        media: Whether a video is a file, a folder of pictures, or either of them. With
            `"both"`, a folder of pictures has at least two of them and no video files;
            other pictures are covers and the like.
    """

    def __init__(self, follow_links: bool, media: Media = "files") -> None:
        self.extensions = (VIDEO_EXTENSIONS if media != "frame_folders" else ()) + (
            PICTURE_EXTENSIONS if media != "files" else ()
        )
        self._follow_links = follow_links
        self._media = media
        self._unknown: Counter[str] = Counter()
        self._links = 0
        self._unreadable = 0
        self._without_videos: list[str] = []
        self._outside = 0

    def below(self, directory: str) -> Iterator[str]:
        """Yields the videos of a folder in alphanumeric order."""
        for folder, subfolders, names in files.walk(directory, self._follow_links):
            # `walk` visits the folders that remain in this list.
            subfolders[:] = [name for name in subfolders if not is_hidden(name)]
            self._count_closed(folder, subfolders)
            yield from self._within(folder, names)

    def _within(self, folder: str, names: list[str]) -> Iterator[str]:
        """Yields the videos among the files of a folder, or the folder itself."""
        found = self._named(names)
        if self._media == "frame_folders":
            pictures, videos = found, []
        else:
            videos = [n for n in found if n.lower().endswith(VIDEO_EXTENSIONS)]
            pictures = [name for name in found if name not in {*videos}]
        if videos:
            yield from (os.path.join(folder, name) for name in videos)
        elif len(pictures) > (self._media == "both"):
            yield folder

    def of_class(self, directory: str) -> list[str]:
        """Returns the videos of a folder, which should not be empty."""
        videos = [*self.below(directory)]
        if not videos:
            self._without_videos.append(os.path.basename(directory))
        return videos

    def count_outside(self, names: list[str]) -> None:
        """Counts the files beside the class folders."""
        self._outside += len(self._named(names))

    def report(self, directory: str) -> None:
        """Logs warnings to the logger `keras_nonlocal` about what may be a mistake."""
        place = files.printable(directory)
        if self._without_videos:
            number = len(self._without_videos)
            _LOGGER.warning(
                "Below %r, %s: %s",
                place,
                _count(
                    number,
                    "class is kept without videos",
                    "classes are kept without videos",
                ),
                _listed(self._without_videos),
            )
        parts = [
            _count(
                self._outside,
                "file outside of the class folders",
                "files outside of the class folders",
            ),
            _count(
                self._links,
                "folder behind a link (see `follow_links`)",
                "folders behind links (see `follow_links`)",
            ),
            _count(
                self._unreadable,
                "folder that cannot be opened",
                "folders that cannot be opened",
            ),
            _count(
                self._unknown.total(),
                "file with an unknown ending",
                "files with unknown endings",
            )
            + _in_brackets(_listed([name for name, _ in self._unknown.most_common()])),
        ]
        found = [part for part in parts if part]
        if found:
            _LOGGER.warning("Left out below %r: %s", place, ", ".join(found))

    def _named(self, names: list[str]) -> list[str]:
        """Returns the files with a known ending, and counts the others."""
        seen = [name for name in names if not is_hidden(name)]
        found = [name for name in seen if name.lower().endswith(self.extensions)]
        others = {*seen} - {*found}
        self._unknown.update(os.path.splitext(name)[1].lower() for name in others)
        return found

    def _count_closed(self, folder: str, subfolders: list[str]) -> None:
        if files.is_remote(folder):
            return
        for path in (os.path.join(folder, name) for name in subfolders):
            if os.path.islink(path) and not self._follow_links:
                self._links += 1
            elif not os.access(path, os.R_OK | os.X_OK):
                self._unreadable += 1


def _count(number: int, one: str, several: str) -> str:
    if not number:
        return ""
    return f"{number} {one if number == 1 else several}"


def _listed(names: list[str], most: int = 8) -> str:
    shown = [files.printable(name) or "no ending" for name in names[:most]]
    return f"{', '.join(shown)}{', …' if len(names) > most else ''}"


def _in_brackets(names: str) -> str:
    return f" ({names})" if names else ""
