"""Reads the published CSV lists of Kinetics and Charades."""

import csv
import math
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from keras_nonlocal import files
from keras_nonlocal.arguments import check_choice
from keras_nonlocal.data.lists.entries import (
    FilePath,
    bad_line,
    check_label,
    class_indices,
)
from keras_nonlocal.data.lists.video_list import VideoList


def read_kinetics_csv(
    file: FilePath,
    root: FilePath,
    class_names: Sequence[str] | None = None,
    *,
    folders: Literal["label", "label_with_underscores"] | None = "label",
) -> VideoList:
    """Reads a Kinetics CSV with the columns `label, youtube_id, time_start, time_end`.

    A video is `ID_BEGIN_END.mp4`, with begin and end in seconds and six digits each, as
    the usual download tools name it.

    Args:
        file: The CSV file, UTF-8 or, with a byte order mark, UTF-16.
        root: Directory of the videos.
        class_names: Names of the classes, in the order of their indices. Defaults to
            the labels of the file in alphanumeric order.
        folders: Location of the videos below `root`. `"label"`: in the directory of the
            label. `"label_with_underscores"`: the same, with `_` for each space, as in
            mmaction2. `None`: in `root` itself, as in the archives of the Common Visual
            Data Foundation. Defaults to `"label"`.

    Returns:
        The videos, without labels if the file has no such column. In that case,
        `folders` must be `None`.

    Raises:
        ValueError: If a column is missing, a row does not have this form, or a label is
            not among `class_names`. The error names the file and the line.

    Example:

    >>> videos = read_kinetics_csv("train.csv", "kinetics")  # doctest: +SKIP

    References:
        The columns are those of the
        [Kinetics lists](https://github.com/cvdfoundation/kinetics-dataset), the file
        names those that
        [mmaction2](https://github.com/open-mmlab/mmaction2/blob/main/tools/data/parse_file_list.py)
        expects.
    """
    check_choice("folders", folders, ("label", "label_with_underscores", None))
    columns = ["youtube_id", "time_start", "time_end"]
    if folders is not None:
        columns = ["label", *columns]
    paths, labels = [], []
    places: dict[str, tuple[int, str]] = {}
    filled = [column for column in columns if not column.startswith("time")]
    for number, row in _rows(file, columns, filled, optional="label"):
        try:
            paths.append(os.path.join(root, _kinetics_path(row, folders)))
        except (ValueError, OverflowError):
            expected = "a row whose times are numbers of seconds from 0"
            raise bad_line(file, number, _text(row), expected) from None
        if "label" in row:
            # Equal labels become one object.
            label = sys.intern(row["label"])
            if label not in places:
                places[label] = number, _text(row)
            labels.append(label)
    names = None if class_names is None else tuple(class_names)
    if not labels:
        return VideoList(tuple(paths), None, names)
    names = names or tuple(sorted(places))
    return VideoList(tuple(paths), class_indices(file, names, labels, places), names)


def _kinetics_path(row: dict[str, Any], folders: str | None) -> str:
    begin, end = (int(float(row[column])) for column in ("time_start", "time_end"))
    if begin < 0 or end < 0:
        raise ValueError(begin, end)
    name = f"{row['youtube_id']}_{begin:06d}_{end:06d}.mp4"
    if folders is None:
        return name
    label = row["label"]
    return os.path.join(label if folders == "label" else label.replace(" ", "_"), name)


def read_charades_csv(
    file: FilePath,
    root: FilePath,
    class_names: Sequence[str] | None = None,
    *,
    by_action: bool = False,
) -> VideoList:
    """Reads a Charades CSV, whose actions are `c092 11.90 21.20;c147 0.00 12.60`.

    Args:
        file: The CSV file, with at least the columns `id` and `actions`.
        root: Directory of the videos `ID.mp4`.
        class_names: Names of the 157 classes, in the order of their numbers. Defaults
            to `c000` to `c156`.
        by_action: Whether each action is a separate entry with its label and segment.
            With `False`, each video is an entry with all its labels. Defaults to
            `False`.

    Returns:
        The videos with several labels each, or the actions with one label each.

    Raises:
        ValueError: If a column is missing, a row does not have this form, or an action
            is not one of the classes. The error names the file and the line.

    Example:

    >>> videos = read_charades_csv(
    ...     "Charades_v1_train.csv", "Charades_v1_480")  # doctest: +SKIP

    References:
        [Charades](https://prior.allenai.org/projects/data/charades/README.txt): each
        action has a class and a begin and end in seconds.
    """
    names = tuple(class_names or (f"c{number:03d}" for number in range(157)))
    paths: list[str] = []
    labels: list[tuple[int, ...]] = []
    segments: list[tuple[float, float] | None] = []
    expected = "a row whose actions are like `c092 11.90 21.20;c147 0.00 12.60`"
    for number, row in _rows(file, ("id", "actions"), ("id",)):
        path = os.path.join(root, f"{row['id']}.mp4")
        try:
            actions = [*map(_action, filter(None, row["actions"].split(";")))]
        except ValueError:
            raise bad_line(file, number, _text(row), expected) from None
        indices = tuple(sorted({label for label, _ in actions}))
        check_label(file, number, _text(row), indices, len(names))
        if by_action:
            for label, segment in actions:
                paths.append(path)
                labels.append((label,))
                segments.append(segment)
        else:
            paths.append(path)
            labels.append(indices)
            segments.append(None)
    return VideoList(tuple(paths), tuple(labels), names, tuple(segments))


def _action(text: str) -> tuple[int, tuple[float, float]]:
    """Returns the class and the segment of an action of Charades."""
    name, begin, end = text.split()
    segment = float(begin), float(end)
    if not re.fullmatch(r"c\d+", name) or any(map(math.isnan, segment)):
        raise ValueError(name)
    return int(name[1:]), segment


def _rows(
    file: FilePath, columns: Sequence[str], filled: Sequence[str], optional: str = ""
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the rows with these columns and the numbers of their last lines.

    The columns in `filled` must hold text, without the null characters that no path
    can have.
    """
    with files.open_text(file) as lines:
        reader = csv.DictReader(lines)
        try:
            missing = {*columns} - {*(reader.fieldnames or ())}
            if missing:
                raise ValueError(
                    f"{os.fspath(file)!r} must have the columns {[*columns]}. "
                    f"Received: the columns {reader.fieldnames}"
                )
            for row in reader:
                # Missing columns of shorter rows are `None`. Fields without a column
                # have the key `None`; spreadsheets leave empty ones there.
                beyond = any(row.pop(None, ()))
                absent = None in [row.get(c, "") for c in (*columns, optional)]
                if beyond or absent or not all(map(_is_name, map(row.get, filled))):
                    expected = f"a row with the columns {[*columns]}"
                    raise bad_line(file, reader.line_num, _text(row), expected)
                yield reader.line_num, row
        except csv.Error as error:
            number = reader.line_num
            raise bad_line(file, number, "", f"a row of a CSV file ({error})") from None


def _is_name(value: str | None) -> bool:
    return value is not None and value != "" and "\0" not in value


def _text(row: dict[str, Any]) -> str:
    return ",".join(value for value in row.values() if isinstance(value, str))
