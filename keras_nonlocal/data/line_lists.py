"""Lists of a video, or of a frame, and its class indices per line."""

import os
import re
from collections.abc import Iterator, Sequence

from keras_nonlocal.data import files
from keras_nonlocal.data.arguments import check_positive_number
from keras_nonlocal.data.sources import VideoList

FilePath = str | os.PathLike[str]


def read_path_label_list(
    file: FilePath,
    root: FilePath = "",
    class_names: Sequence[str] | None = None,
    *,
    several_labels: bool = False,
    with_labels: bool = True,
) -> VideoList:
    """Reads lines of a path and a class index, as PySlowFast and mmaction2 use them.

    The two are separated by white space, a comma or a semicolon; the path may contain
    white space. Two or more indices after a comma each are several labels:
    `a.mp4,3,17`.

    Args:
        file: The list.
        root: Directory to which the paths are relative.
        class_names: Names of the classes, in the order of their indices.
        several_labels: Whether several indices may follow a path also after white
            space, as in mmaction2's lists for `multi_class=True`: `a.mp4 3 17`. The
            path must then not end with a number of its own. Defaults to `False`.
        with_labels: Whether there are labels. With `False`, a line is a path, as in
            mmaction2's lists of videos to be classified. Defaults to `True`.

    Raises:
        ValueError: If a line is not of this form; it names the file and the line.

    References:
        [PySlowFast](https://github.com/facebookresearch/SlowFast/blob/main/slowfast/datasets/DATASET.md),
        "Kinetics";
        [mmaction2](https://github.com/open-mmlab/mmaction2/blob/main/mmaction/datasets/video_dataset.py),
        `VideoDataset`.
    """
    if not with_labels:
        lines = (line for _, line in numbered_lines(file))
        return VideoList(tuple(os.path.join(root, line) for line in lines))
    paths, labels = [], []
    for number, line in numbered_lines(file):
        path, *indices = _fields(line, several_labels)
        if not indices or not all(part.isdecimal() for part in indices):
            raise bad_line(file, number, line, "a path and a class index")
        paths.append(os.path.join(root, path))
        labels.append(tuple(int(part) for part in indices))
    return _video_list(paths, labels, several_labels, class_names)


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

    A line is `FOLDER TOTAL_FRAMES LABEL`, or with offset
    `FOLDER OFFSET TOTAL_FRAMES LABEL`, separated by white space, where only the frames
    from `OFFSET` on (counted from 0) belong to the entry. Read the videos with
    `keras_nonlocal.data.FrameFolderReader`; without offset, the frames are those in the
    folder, whatever their announced number.

    Args:
        file: The list.
        root: Directory to which the folders are relative.
        class_names: Names of the classes, in the order of their indices.
        with_offset: Whether lines tell the first frame. Defaults to `False`.
        several_labels: Whether lines may end with several labels. Defaults to
            `False`.
        fps: Frames per second, that of the reader: it makes seconds of the offsets.
            Defaults to `30`, as for the reader.

    Raises:
        ValueError: If a line is not of this form; it names the file and the line.

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
    paths, labels, segments = [], [], []
    for number, line in numbered_lines(file):
        path, *numbers = _trailing_numbers(line)
        counts = [int(part) for part in numbers[:num_counts]]
        indices = tuple(int(part) for part in numbers[num_counts:])
        if not indices or (len(indices) > 1 and not several_labels):
            raise bad_line(file, number, line, expected)
        paths.append(os.path.join(root, path))
        labels.append(indices)
        # Half a frame earlier, so that rounding cannot move the limits.
        first, last = counts[0] - 0.5, sum(counts) - 0.5
        segments.append((first / fps, last / fps) if with_offset else None)
    return _video_list(paths, labels, several_labels, class_names, segments)


def read_frame_list(
    file: FilePath, root: FilePath = "", class_names: Sequence[str] | None = None
) -> VideoList:
    """Reads a frame list, as PySlowFast uses them for Charades.

    After a line of headings, a line is a frame:
    `original_vido_id video_id frame_id path labels`, with the labels between quotation
    marks and separated by commas. A video is the folder that holds its frames, and has
    the labels of all of them. Read the videos with
    `keras_nonlocal.data.FrameFolderReader`, for Charades with `fps=24`.

    Args:
        file: The list.
        root: Directory to which the paths are relative.
        class_names: Names of the classes, in the order of their indices.

    Returns:
        The videos with several labels each; without labels if no frame has one, as in
        the lists for Something-Something, which has its labels in another file.

    Raises:
        ValueError: If a line is not of this form; it names the file and the line.

    References:
        [PySlowFast](https://github.com/facebookresearch/SlowFast/blob/main/slowfast/datasets/utils.py),
        `load_image_lists`.
    """
    expected = "a video, two numbers, a path and labels"
    labels: dict[str, set[int]] = {}
    for number, line in numbered_lines(file):
        fields = line.split()
        if number == 1 and "path" in fields:
            continue
        indices = fields[-1].replace('"', "").split(",")
        if len(fields) != 5 or not all(part.isdecimal() for part in indices if part):
            raise bad_line(file, number, line, expected)
        folder = os.path.join(root, os.path.dirname(fields[3]))
        labels.setdefault(folder, set()).update(int(part) for part in indices if part)
    rows = tuple(tuple(sorted(indices)) for indices in labels.values())
    names = None if class_names is None else tuple(class_names)
    return VideoList(tuple(labels), rows if any(rows) else None, names)


def numbered_lines(file: FilePath) -> Iterator[tuple[int, str]]:
    """Yields the lines that are not blank, with their numbers from 1 on."""
    with files.open_text(file) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, line.strip()


def bad_line(file: FilePath, number: int, line: str, expected: str) -> ValueError:
    """Returns the error for a line that is not as expected."""
    return ValueError(
        f"Line {number} of {os.fspath(file)!r} must be {expected}. Received: {line!r}"
    )


def _fields(line: str, several: bool) -> list[str]:
    for separator in (",", ";"):
        if separator in line:
            return [part.strip() for part in line.split(separator)]
    return _trailing_numbers(line) if several else line.rsplit(maxsplit=1)


def _trailing_numbers(line: str) -> list[str]:
    """Splits the numbers at the end of a line from what comes before them."""
    numbers = re.search(r"(\s+\d+)*$", line)
    end = len(line) if numbers is None else numbers.start()
    return [line[:end], *line[end:].split()]


def _video_list(
    paths: Sequence[str],
    labels: Sequence[tuple[int, ...]],
    several_labels: bool,
    class_names: Sequence[str] | None,
    segments: Sequence[tuple[float, float] | None] = (),
) -> VideoList:
    is_single = not several_labels and all(len(indices) == 1 for indices in labels)
    return VideoList(
        tuple(paths),
        tuple(indices[0] for indices in labels) if is_single else tuple(labels),
        None if class_names is None else tuple(class_names),
        tuple(segments) if any(segments) else None,
    )
