"""The lines of a list of videos, their errors, and the videos that they name."""

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from keras_nonlocal import files
from keras_nonlocal.data.lists.video_list import Label, VideoList, label_problem

FilePath = str | os.PathLike[str]

# Characters that are split at once.
_BLOCK = 2**20
# Characters of a line in an error.
_MOST_SHOWN = 160
_HEADINGS = re.compile(r'"?(path|file|filename|video)"?\W+"?labels?"?', re.IGNORECASE)


def numbered_lines(file: FilePath) -> Iterator[tuple[int, str]]:
    """Yields the lines that are not blank and their numbers, starting at 1."""
    with files.open_text(file) as lines:
        yield from numbered(file, lines)


def numbered(
    file: FilePath, lines: Iterable[str], first: int = 1
) -> Iterator[tuple[int, str]]:
    """As `numbered_lines`, for some lines of which the first has this number."""
    for number, line in enumerate(lines, start=first):
        if "\0" in line:
            expected = "text in UTF-8, or in UTF-16 with a byte order mark"
            raise bad_line(file, number, line.strip(), expected)
        if line.strip():
            yield number, line.strip()


def blocks_of_lines(file: FilePath) -> Iterator[tuple[int, list[str]]]:
    """Yields the number of the first line of each block, and its lines with ends."""
    first = 1
    with files.open_text(file) as text:
        while lines := text.readlines(_BLOCK):
            yield first, lines
            first += len(lines)


def is_heading(line: str) -> bool:
    """Whether a line holds the headings of a path and a label."""
    return _HEADINGS.fullmatch(line) is not None


def bad_line(file: FilePath, number: int, line: str, expected: str) -> ValueError:
    """Returns the error for a line that does not have the expected form."""
    return ValueError(
        f"Line {number} of {os.fspath(file)!r} must be {expected}. "
        f"Received: {shortened(line)!r}"
    )


def shortened(text: str) -> str:
    """Returns a text for an error. A file of another kind may be a single line."""
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def check_label(
    file: FilePath,
    number: int,
    line: str,
    indices: tuple[int, ...],
    num_classes: int | None,
) -> None:
    """Raises an error if the label of a line is not a class index."""
    problem = label_problem(indices, num_classes)
    if problem:
        raise bad_line(file, number, line, f"a line with {problem}")


def class_indices(
    file: FilePath,
    names: Sequence[str],
    labels: Sequence[str],
    places: Mapping[str, tuple[int, str]],
) -> tuple[int, ...]:
    """Returns the class index of each label, or raises an error for unknown ones.

    Args:
        file: The list, for errors.
        names: The classes.
        labels: The label of each video.
        places: Number and text of the first line with each label.
    """
    index_of = {name: index for index, name in enumerate(names)}
    for label, (number, line) in places.items():
        if label not in index_of:
            expected = "a line whose label is among the class names"
            raise bad_line(file, number, line, expected)
    return tuple(index_of[label] for label in labels)


class Entries:
    """Collects the videos of a list.

    Args:
        file: The list, for errors.
        class_names: Names of the classes, or `None`.
    """

    def __init__(self, file: FilePath, class_names: Sequence[str] | None) -> None:
        self._file = file
        self._class_names = None if class_names is None else tuple(class_names)
        self._paths: list[str] = []
        self._labels: list[tuple[int, ...]] = []
        self._segments: list[tuple[float, float] | None] = []
        # A list may have millions of videos, but it has few different labels, and these
        # few different classes.
        self._classes: dict[int, int] = {}
        self._checked: dict[tuple[int, ...], tuple[int, ...]] = {}

    def add(
        self,
        number: int,
        line: str,
        path: str,
        indices: tuple[int, ...],
        segment: tuple[float, float] | None = None,
    ) -> None:
        """Adds the video of a line."""
        if indices not in self._checked:
            label = self._label(indices)
            check_label(self._file, number, line, label, self._num_classes)
            self._checked[indices] = label
        self._paths.append(path)
        self._labels.append(self._checked[indices])
        self._segments.append(segment)

    def add_plain(
        self, paths: Sequence[str], ends: Sequence[str], indices: Mapping[str, int]
    ) -> bool:
        """Adds videos as `split_plain_lines` returns them, unless an index is wrong.

        Returns:
            Whether they are added.
        """
        if any(label_problem(index, self._num_classes) for index in indices.values()):
            return False
        labels = {
            end: self._checked.setdefault((index,), self._label((index,)))
            for end, index in indices.items()
        }
        self._paths.extend(paths)
        self._labels.extend(map(labels.__getitem__, ends))
        self._segments.extend(itertools.repeat(None, len(paths)))
        return True

    @property
    def _num_classes(self) -> int | None:
        return None if self._class_names is None else len(self._class_names)

    def _label(self, indices: tuple[int, ...]) -> tuple[int, ...]:
        classes = dict.fromkeys(indices)
        return tuple(self._classes.setdefault(index, index) for index in classes)

    def videos(self, several_labels: bool) -> VideoList:
        """Returns the list."""
        is_multi_label = several_labels or any(len(key) > 1 for key in self._checked)
        labels: Iterable[Label] = self._labels
        if not is_multi_label:
            labels = (label[0] for label in self._labels)
        return VideoList(
            tuple(self._paths),
            tuple(labels),
            self._class_names,
            tuple(self._segments) if any(self._segments) else None,
        )
