"""Lists of videos in the formats in which data sets publish them."""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from keras_nonlocal.data import files
from keras_nonlocal.data.arguments import check_choice
from keras_nonlocal.data.line_lists import FilePath, bad_line, numbered_lines
from keras_nonlocal.data.sources import VideoList


def read_kinetics_csv(
    file: FilePath,
    root: FilePath,
    class_names: Sequence[str] | None = None,
    *,
    folders: Literal["label", "label_with_underscores"] | None = "label",
) -> VideoList:
    """Reads a Kinetics CSV with the columns `label, youtube_id, time_start, time_end`.

    A video is `ID_BEGIN_END.mp4` with begin and end in seconds, six digits each, as the
    usual download tools store it.

    Args:
        file: The CSV file.
        root: Directory of the videos.
        class_names: Names of the classes, in the order of their indices. Defaults to
            the labels of the file in alphanumeric order.
        folders: Where below `root` a video is: `"label"`, in the directory of its
            label; `"label_with_underscores"`, the same with `_` for each space, as
            mmaction2 renames them; `None`, in `root` itself, as the archives of the
            Common Visual Data Foundation hold them. Defaults to `"label"`.

    Returns:
        The videos; without labels if the file has no such column, for which `folders`
        must be `None`.

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
    paths, rows = [], []
    for number, row in _rows(file, columns, optional="label"):
        try:
            paths.append(os.path.join(root, _kinetics_path(row, folders)))
        except (ValueError, OverflowError):
            expected = "a row whose times are numbers of seconds"
            raise bad_line(file, number, _text(row), expected) from None
        rows.append(row)
    if not rows or "label" not in rows[0]:
        return VideoList(tuple(paths), None, _class_names(class_names, ()) or None)
    labels = [row["label"] for row in rows]
    names = _class_names(class_names, labels)
    return VideoList(tuple(paths), _indices(file, names, labels), names)


def _kinetics_path(row: dict[str, Any], folders: str | None) -> str:
    begin, end = (int(float(row[column])) for column in ("time_start", "time_end"))
    name = f"{row['youtube_id']}_{begin:06d}_{end:06d}.mp4"
    if folders is None:
        return name
    label = row["label"]
    return os.path.join(label if folders == "label" else label.replace(" ", "_"), name)


def read_ucf101_split(
    file: FilePath, root: FilePath, class_index_file: FilePath
) -> VideoList:
    """Reads a UCF101 split: `trainlist01.txt`, `testlist01.txt` and so on.

    Args:
        file: The split; its lines are `Class/video.avi`, in training followed by the
            number of the class.
        root: Directory of the class directories.
        class_index_file: `classInd.txt`, whose lines are the numbers of the classes,
            from 1 on, and their names.

    References:
        [UCF101](https://www.crcv.ucf.edu/data/UCF101.php), splits for action
        recognition.
    """
    numbers: dict[str, str] = {}
    for place, line in numbered_lines(class_index_file):
        number, *name = line.split(maxsplit=1)
        if not number.isdecimal() or not name:
            raise bad_line(class_index_file, place, line, "a number and a class")
        numbers[name[0]] = number
    names = tuple(sorted(numbers, key=lambda name: int(numbers[name])))
    videos = [line.split()[0] for _, line in numbered_lines(file)]
    return VideoList(
        tuple(os.path.join(root, video) for video in videos),
        _indices(file, names, [video.split("/")[0] for video in videos]),
        names,
    )


def read_hmdb51_split(
    directory: FilePath, root: FilePath, split: int, subset: str
) -> VideoList:
    """Reads one of the three HMDB51 splits: `brush_hair_test_split1.txt` and so on.

    Args:
        directory: Directory of the files of the splits.
        root: Directory of the class directories.
        split: 1, 2 or 3.
        subset: `"training"` or `"test"`. A split also names videos that belong to
            neither of the two.

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
            f"`directory` holds no files that end with {ending!r}. "
            f"Received: directory={os.fspath(directory)!r}, split={split!r}"
        )
    paths, labels = [], []
    names = tuple(name.removesuffix(ending) for name in found)
    for label, name in enumerate(found):
        file = os.path.join(directory, name)
        for number, line in numbered_lines(file):
            video, _, mark = line.rpartition(" ")
            if mark not in ("0", "1", "2"):
                raise bad_line(file, number, line, "a file name and 0, 1 or 2")
            if mark == marks[subset]:
                paths.append(os.path.join(root, names[label], video.strip()))
                labels.append(label)
    return VideoList(tuple(paths), tuple(labels), names)


def read_something_something(
    file: FilePath, root: FilePath, labels_file: FilePath, extension: str = ".webm"
) -> VideoList:
    """Reads a Something-Something JSON list of `{"id": …, "template": …}`.

    Args:
        file: The list.
        root: Directory of the videos `ID.webm`.
        labels_file: JSON object from templates, without brackets, to class indices.
        extension: Ending of the video files.

    Returns:
        The videos; without labels if the list is that of the test videos, which has
        no templates.

    References:
        [Something-Something V2](https://arxiv.org/abs/1706.04261); the lists as
        [PySlowFast](https://github.com/facebookresearch/SlowFast/blob/main/slowfast/datasets/ssv2.py)
        reads them.
    """
    entries, indices = _json(file), _json(labels_file)
    names = tuple(sorted(indices, key=lambda name: int(indices[name])))
    paths = tuple(os.path.join(root, f"{entry['id']}{extension}") for entry in entries)
    if not any("template" in entry for entry in entries):
        return VideoList(paths, None, names)
    brackets = str.maketrans("", "", "[]")
    templates = [entry["template"].translate(brackets) for entry in entries]
    return VideoList(paths, _indices(file, names, templates), names)


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
        by_action: Whether every action is an entry of its own, with its label and
            segment. By default, every video is an entry with all its labels.

    References:
        [Charades](https://prior.allenai.org/projects/data/charades/README.txt): each
        action is its class, begin and end in seconds.
    """
    names = tuple(class_names or (f"c{number:03d}" for number in range(157)))
    paths: list[str] = []
    labels: list[tuple[int, ...]] = []
    segments: list[tuple[float, float] | None] = []
    expected = "a row whose actions are like `c092 11.90 21.20;c147 0.00 12.60`"
    for number, row in _rows(file, ("id", "actions")):
        path = os.path.join(root, f"{row['id']}.mp4")
        try:
            actions = [*map(_action, filter(None, row["actions"].split(";")))]
        except ValueError:
            raise bad_line(file, number, _text(row), expected) from None
        if by_action:
            for label, segment in actions:
                paths.append(path)
                labels.append((label,))
                segments.append(segment)
        else:
            paths.append(path)
            labels.append(tuple(sorted({label for label, _ in actions})))
            segments.append(None)
    return VideoList(tuple(paths), tuple(labels), names, tuple(segments))


def _action(text: str) -> tuple[int, tuple[float, float]]:
    """Returns the class and the segment of an action of Charades."""
    name, begin, end = text.split()
    if not name.startswith("c") or not name[1:].isdecimal():
        raise ValueError(name)
    return int(name[1:]), (float(begin), float(end))


def _json(file: FilePath) -> Any:
    with files.open_text(file) as text:
        return json.load(text)


def _rows(
    file: FilePath, columns: Sequence[str], optional: str = ""
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the rows that have the columns, with the numbers of their last lines."""
    with files.open_text(file) as lines:
        reader = csv.DictReader(lines)
        missing = {*columns} - {*(reader.fieldnames or ())}
        if missing:
            raise ValueError(
                f"{os.fspath(file)!r} must have the columns {[*columns]}. "
                f"Received: the columns {reader.fieldnames}"
            )
        for row in reader:
            # Of shorter rows, the last columns are `None`.
            if None in [row.get(column, "") for column in (*columns, optional)]:
                expected = f"a row with the columns {[*columns]}"
                raise bad_line(file, reader.line_num, _text(row), expected)
            yield reader.line_num, row


def _text(row: dict[str, Any]) -> str:
    return ",".join(value for value in row.values() if isinstance(value, str))


def _class_names(given: Sequence[str] | None, found: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*found})) if given is None else tuple(given)


def _indices(
    file: FilePath, names: Sequence[str], labels: Sequence[str]
) -> tuple[int, ...]:
    places = {name: index for index, name in enumerate(names)}
    unknown = sorted({*labels} - {*places})
    if unknown:
        raise ValueError(
            f"{os.fspath(file)!r} must have labels that are among the class names. "
            f"Received: {unknown[0]!r}"
        )
    return tuple(places[label] for label in labels)
