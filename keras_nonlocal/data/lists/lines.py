"""Reads lists with a video, or a frame, and its class indices on each line.

`line_parts` explains how a line is parsed.
"""

import os
from collections.abc import Iterator, Sequence

from keras_nonlocal.arguments import check_positive_number
from keras_nonlocal.data.lists.entries import (
    Entries,
    FilePath,
    bad_line,
    blocks_of_lines,
    check_label,
    is_heading,
    numbered,
    numbered_lines,
)
from keras_nonlocal.data.lists.line_parts import (
    is_number,
    path_and_indices,
    spaced_fields,
    trailing_numbers,
    unquoted,
)
from keras_nonlocal.data.lists.plain_lines import joined, split_plain_lines
from keras_nonlocal.data.lists.video_list import VideoList


def read_path_label_list(
    file: FilePath,
    root: FilePath = "",
    class_names: Sequence[str] | None = None,
    *,
    several_labels: bool = False,
    with_labels: bool = True,
) -> VideoList:
    """Reads lines of a path and a class index, as in PySlowFast and mmaction2.

    Whitespace, a comma or a semicolon separates the two. The path may contain these
    characters and may be in quotation marks, as pandas writes it. Several indices that
    are separated by commas, or in one quoted field, are several labels: `a.mp4,3,17` or
    `a.mp4,"3,17"`. The first line may contain the headings `path` and `label`.

    Args:
        file: The list, UTF-8 or, with a byte order mark, UTF-16.
        root: Directory to which the paths are relative.
        class_names: Names of the classes, in the order of their indices.
        several_labels: Whether several indices may also be separated by whitespace, as
            in mmaction2's lists for `multi_class=True`: `a.mp4 3 17`. The path must
            then not end in a separate number. Defaults to `False`.
        with_labels: Whether there are labels. With `False`, each line is a path, as in
            mmaction2's lists of unlabeled videos. Defaults to `True`.

    Returns:
        The videos. Each has a tuple of labels if a line has several labels or
        `several_labels` is set, and otherwise a single label.

    Raises:
        ValueError: If a line does not have this form, or a class index is not below the
            number of `class_names`. The error names the file and the line.

    Example:

    >>> videos = keras_nonlocal.data.read_path_label_list(
    ...     "train.csv", "/data/videos", ("clap", "wave"))  # doctest: +SKIP

    References:
        [PySlowFast](https://github.com/facebookresearch/SlowFast/blob/main/slowfast/datasets/DATASET.md),
        "Kinetics";
        [mmaction2](https://github.com/open-mmlab/mmaction2/blob/main/mmaction/datasets/video_dataset.py),
        `VideoDataset`.
    """
    if not with_labels:
        return VideoList(tuple(_bare_paths(file, root)))
    entries = Entries(file, class_names)
    for first, lines in blocks_of_lines(file):
        plain = None if several_labels else split_plain_lines(lines)
        if plain is not None:
            paths, ends, labels = plain
            if entries.add_plain(joined(root, paths), ends, labels):
                continue
        for number, line in numbered(file, lines, first):
            if number == 1 and is_heading(line):
                continue
            found = path_and_indices(line, several_labels)
            if found is None or not found[0]:
                expected = "a path and a class index, an integer from 0"
                raise bad_line(file, number, line, expected)
            path, indices = found
            entries.add(number, line, os.path.join(root, path), indices)
    return entries.videos(several_labels)


def _bare_paths(file: FilePath, root: FilePath) -> Iterator[str]:
    for number, line in numbered_lines(file):
        path = unquoted(line)
        if not path:
            raise bad_line(file, number, line, "a path")
        yield os.path.join(root, path)


def read_rawframe_list(
    file: FilePath,
    root: FilePath = "",
    class_names: Sequence[str] | None = None,
    *,
    with_offset: bool = False,
    several_labels: bool = False,
    fps: float = 30.0,
) -> VideoList:
    """Reads mmaction2's lists of folders of frames.

    A line is `FOLDER TOTAL_FRAMES LABEL`, or with an offset
    `FOLDER OFFSET TOTAL_FRAMES LABEL`, separated by whitespace. With an offset, only
    the `TOTAL_FRAMES` frames from `OFFSET` (starting at 0) belong to the entry. Without
    one, all frames in the folder do, regardless of `TOTAL_FRAMES`. Read the videos with
    `keras_nonlocal.data.FrameFolderReader`.

    Args:
        file: The list, UTF-8 or, with a byte order mark, UTF-16.
        root: Directory to which the folders are relative.
        class_names: Names of the classes, in the order of their indices.
        with_offset: Whether lines contain an offset. Defaults to `False`.
        several_labels: Whether lines may end with several labels. Defaults to
            `False`.
        fps: Frames per second of the reader, which convert offsets to seconds. Defaults
            to `30`, as in the reader.

    Returns:
        The videos; with segments if `with_offset` is set.

    Raises:
        ValueError: If a line does not have this form, or a class index is not below the
            number of `class_names`. The error names the file and the line.

    Example:

    >>> videos = read_rawframe_list("train.txt", "rawframes")  # doctest: +SKIP
    >>> train = video_dataset_from_list(
    ...     videos, open_video=functools.partial(FrameFolderReader, pattern="img_*")
    ... )  # doctest: +SKIP

    References:
        [mmaction2](https://github.com/open-mmlab/mmaction2/blob/main/mmaction/datasets/rawframe_dataset.py),
        `RawframeDataset`.
    """
    check_positive_number("fps", fps)
    num_counts = 1 + with_offset
    expected = f"a folder, {num_counts} numbers of frames and a class index"
    entries = Entries(file, class_names)
    for number, line in numbered_lines(file):
        path, numbers = trailing_numbers(line)
        counts, indices = numbers[:num_counts], numbers[num_counts:]
        if not indices or (len(indices) > 1 and not several_labels):
            raise bad_line(file, number, line, expected)
        path = unquoted(path)
        if not path or (with_offset and not counts[1]):
            raise bad_line(file, number, line, f"{expected}, none of them empty")
        # Half a frame earlier, so rounding does not move the limits.
        first, last = counts[0] - 0.5, sum(counts) - 0.5
        segment = (first / fps, last / fps) if with_offset else None
        path = os.path.join(root, path)
        entries.add(number, line, path, indices, segment)
    return entries.videos(several_labels)


def read_frame_list(
    file: FilePath, root: FilePath = "", class_names: Sequence[str] | None = None
) -> VideoList:
    """Reads a frame list, as in PySlowFast for Charades.

    After a line of headings, each line is a frame:
    `original_vido_id video_id frame_id path labels`, with the labels between quotation
    marks and separated by commas. A video is the folder of its frames and has the
    labels of all of them. Read the videos with `keras_nonlocal.data.FrameFolderReader`,
    for Charades with `fps=24`.

    Args:
        file: The list, UTF-8 or, with a byte order mark, UTF-16.
        root: Directory to which the paths are relative.
        class_names: Names of the classes, in the order of their indices.

    Returns:
        The videos, with several labels each, or without labels if no frame has one. The
        latter is the case for Something-Something, whose labels are in another file.

    Raises:
        ValueError: If a line does not have this form, or a class index is not below the
            number of `class_names`. The error names the file and the line.

    Example:

    >>> videos = read_frame_list("train.csv", "Charades_v1_rgb")  # doctest: +SKIP

    References:
        [PySlowFast](https://github.com/facebookresearch/SlowFast/blob/main/slowfast/datasets/utils.py),
        `load_image_lists`.
    """
    labels: dict[str, dict[int, None]] = {}
    count = None if class_names is None else len(class_names)
    for number, line in numbered_lines(file):
        fields = spaced_fields(line)
        if number == 1 and "path" in fields:
            continue
        indices = fields[-1].split(",") if fields[-1] else []
        numbers = [*fields[1:3], *indices]
        folder = os.path.dirname(fields[3]) if len(fields) == 5 else ""
        if not folder or not all(map(is_number, numbers)):
            expected = "a video, two numbers, a path with a folder, and labels"
            raise bad_line(file, number, line, expected)
        values = tuple(dict.fromkeys(map(int, indices)))
        check_label(file, number, line, values, count)
        folder = os.path.join(root, folder)
        labels.setdefault(folder, {}).update(dict.fromkeys(values))
    rows = tuple(tuple(sorted(indices)) for indices in labels.values())
    names = None if class_names is None else tuple(class_names)
    return VideoList(tuple(labels), rows if any(rows) else None, names)
