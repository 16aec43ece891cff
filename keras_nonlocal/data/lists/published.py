"""Reads the published lists of UCF101, HMDB51 and Something-Something."""

import json
import os
from typing import Any, Literal

from keras_nonlocal import files
from keras_nonlocal.arguments import is_integer
from keras_nonlocal.data.lists.entries import (
    FilePath,
    bad_line,
    class_indices,
    numbered_lines,
    shortened,
)
from keras_nonlocal.data.lists.line_parts import is_number
from keras_nonlocal.data.lists.video_list import VideoList


def read_ucf101_split(
    file: FilePath, root: FilePath, class_index_file: FilePath
) -> VideoList:
    """Reads a UCF101 split: `trainlist01.txt`, `testlist01.txt` and so on.

    Args:
        file: The split. Its lines are `Class/video.avi`, followed by the number of the
            class in training splits.
        root: Directory of the class directories.
        class_index_file: `classInd.txt`, whose lines are the numbers of the classes,
            starting at 1, and their names.

    Returns:
        The videos. Class number 1 has the class index 0.

    Raises:
        ValueError: If a line does not have this form, or its class and number do not
            match `class_index_file`. The error names the file and the line.

    Example:

    >>> videos = read_ucf101_split(
    ...     "trainlist01.txt", "UCF-101", "classInd.txt")  # doctest: +SKIP

    References:
        [UCF101](https://www.crcv.ucf.edu/data/UCF101.php), splits for action
        recognition.
    """
    numbers = _ucf101_classes(class_index_file)
    names = tuple(sorted(numbers, key=lambda name: numbers[name]))
    paths, labels = [], []
    places: dict[str, tuple[int, str]] = {}
    for place, line in numbered_lines(file):
        path, _, number = line.rpartition(" ")
        if not is_number(number):
            path, number = line, ""
        path = path.strip()
        label, _, video = path.partition("/")
        if not video or (number and numbers.get(label) != int(number)):
            expected = "`Class/video.avi` and, if any, the number of that class"
            raise bad_line(file, place, line, expected)
        paths.append(os.path.join(root, path))
        places.setdefault(label, (place, line))
        labels.append(label)
    return VideoList(tuple(paths), class_indices(file, names, labels, places), names)


def _ucf101_classes(file: FilePath) -> dict[str, int]:
    """Returns the number of each class, starting at 1."""
    numbers: dict[str, int] = {}
    for place, line in numbered_lines(file):
        number, *name = line.split(maxsplit=1)
        is_new = name and name[0] not in numbers
        if not is_number(number) or not is_new or int(number) in numbers.values():
            raise bad_line(
                file, place, line, "a number and a class, each for the first time"
            )
        numbers[name[0]] = int(number)
    return numbers


def read_hmdb51_split(
    directory: FilePath,
    root: FilePath,
    split: Literal[1, 2, 3],
    subset: Literal["training", "test"],
) -> VideoList:
    """Reads one of the three HMDB51 splits: `brush_hair_test_split1.txt` and so on.

    Args:
        directory: Directory with the files of the splits.
        root: Directory of the class directories.
        split: 1, 2 or 3.
        subset: `"training"` or `"test"`. A split also lists videos that belong to
            neither.

    Returns:
        The videos, with the classes in alphanumeric order.

    Raises:
        ValueError: If the directory does not contain the split, or a line is malformed.
            The error names the file and the line.

    Example:

    >>> videos = read_hmdb51_split(
    ...     "testTrainMulti_7030_splits", "hmdb51", 1, "training")  # doctest: +SKIP

    References:
        [HMDB51](https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/),
        test/train splits.
    """
    marks = {"training": "1", "test": "2"}
    if subset not in marks:
        raise ValueError(
            f'`subset` must be "training" or "test". Received: subset={subset!r}'
        )
    ending = f"_test_split{split}.txt"
    found = [
        name for name in files.list_names(os.fspath(directory)) if name.endswith(ending)
    ]
    if not found:
        raise ValueError(
            f"`directory` must hold files that end with {ending!r}. "
            f"Received: directory={os.fspath(directory)!r}, split={split!r}"
        )
    paths, labels = [], []
    names = tuple(name.removesuffix(ending) for name in found)
    for label, name in enumerate(found):
        file = os.path.join(directory, name)
        for number, line in numbered_lines(file):
            video, *mark = line.rsplit(maxsplit=1)
            if mark not in (["0"], ["1"], ["2"]):
                raise bad_line(file, number, line, "a file name and 0, 1 or 2")
            if mark == [marks[subset]]:
                paths.append(os.path.join(root, names[label], video))
                labels.append(label)
    return VideoList(tuple(paths), tuple(labels), names)


def read_something_something(
    file: FilePath, root: FilePath, labels_file: FilePath, extension: str = ".webm"
) -> VideoList:
    """Reads a Something-Something JSON list of `{"id": …, "template": …}`.

    Args:
        file: The list.
        root: Directory of the videos `ID.webm`.
        labels_file: JSON object that maps templates, without brackets, to class
            indices.
        extension: Extension of the video files. Defaults to `".webm"`.

    Returns:
        The videos, without labels for the list of test videos, which has no templates.

    Raises:
        ValueError: If a file does not have this form. The error names the file, and
            the entry or the line.

    Example:

    >>> videos = read_something_something(
    ...     "train.json", "20bn-something-something-v2", "labels.json"
    ... )  # doctest: +SKIP

    References:
        [Something-Something V2](https://arxiv.org/abs/1706.04261); the lists are read
        as in
        [PySlowFast](https://github.com/facebookresearch/SlowFast/blob/main/slowfast/datasets/ssv2.py).
    """
    names = _something_something_classes(labels_file)
    places = {name: index for index, name in enumerate(names)}
    entries = _json(file, list, "a list of objects")
    has_labels = any("template" in entry for entry in entries if _is_object(entry))
    brackets = str.maketrans("", "", "[]")
    paths, labels = [], []
    for number, entry in enumerate(entries, start=1):
        if not _is_object(entry) or not _is_id(entry.get("id")):
            raise _bad_entry(file, number, entry, 'an object with an "id"')
        paths.append(os.path.join(root, f"{entry['id']}{extension}"))
        if has_labels:
            label = places.get(str(entry.get("template", "")).translate(brackets))
            if label is None:
                expected = (
                    f'an object whose "template" is in {os.fspath(labels_file)!r}'
                )
                raise _bad_entry(file, number, entry, expected)
            labels.append(label)
    return VideoList(tuple(paths), tuple(labels) if has_labels else None, names)


def _something_something_classes(file: FilePath) -> tuple[str, ...]:
    """Returns the templates, in the order of their class indices."""
    indices = _json(file, dict, "an object from templates to class indices")
    values = [str(value) for value in indices.values()]
    if {*values} != {*map(str, range(len(values)))}:
        missing = min({*map(str, range(len(values)))} - {*values}, key=int)
        raise ValueError(
            f"{os.fspath(file)!r} must give the class indices from 0 to "
            f"{len(values) - 1} to one template each. "
            f"Received: none with the class index {missing}"
        )
    return tuple(sorted(indices, key=lambda name: int(indices[name])))


def _json(file: FilePath, kind: type, expected: str) -> Any:
    with files.open_text(file) as text:
        content = text.read()
    try:
        value = json.loads(content)
    except json.JSONDecodeError as error:
        lines = content.splitlines() or [""]
        line = lines[min(error.lineno, len(lines)) - 1][:80]
        raise bad_line(file, error.lineno, line, f"JSON ({error.msg})") from None
    except (ValueError, RecursionError) as error:  # too many digits or brackets
        raise ValueError(
            f"{os.fspath(file)!r} must hold {expected}. Received: {error}"
        ) from None
    if not isinstance(value, kind):
        raise ValueError(
            f"{os.fspath(file)!r} must hold {expected}. "
            f"Received: JSON of the type {type(value).__name__}"
        )
    return value


def _is_id(value: Any) -> bool:
    return is_integer(value) or (isinstance(value, str) and bool(value))


def _is_object(entry: Any) -> bool:
    return isinstance(entry, dict)


def _bad_entry(file: FilePath, number: int, entry: Any, expected: str) -> ValueError:
    return ValueError(
        f"Entry {number} of {os.fspath(file)!r} must be {expected}. "
        f"Received: {shortened(repr(entry))}"
    )
