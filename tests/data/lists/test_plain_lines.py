"""Lines that are split many at a time, against one line at a time."""

import pytest

from keras_nonlocal.data import read_path_label_list
from keras_nonlocal.data.lists import lines as list_lines
from keras_nonlocal.data.lists.plain_lines import split_plain_lines

NAMES = ("a.mp4", "x y.mp4", "/r/b.avi", "ü.mp4", "a\u3000b", "a 4", "", "path")
MARKS = (" ", ",", "  ", " ,", "\t", ";", "\x0b ", ",  ")
LABELS = (
    "0",
    "3",
    "07",
    "12",
    "13",
    "label",
    "3 ",
    "3,4",
    '"3"',
    "3\x0b",
    "٣",
    "9" * 19,
)
ENDS = ("\n", "\r\n", "\r", "\n\n")


def outcome(file, root, names):
    try:
        videos = read_path_label_list(file, root, names)
    except ValueError as error:
        return str(error)
    return videos.paths, videos.labels


def test_many_lines_at_once_give_what_each_line_gives(tmp_path, rng, monkeypatch):
    num_split = 0

    def counted(lines):
        nonlocal num_split
        found = split_plain_lines(lines)
        num_split += found is not None
        return found

    file = tmp_path / "list.txt"
    for _ in range(600):
        count, end = rng.integers(1, 4), ENDS[rng.integers(len(ENDS))]
        # Mostly the simple ones, which come first.
        simple = rng.random() < 0.7
        mark = MARKS[rng.integers(2)]
        rows = [
            NAMES[rng.integers(3 if simple else len(NAMES))]
            + (mark if simple else MARKS[rng.integers(len(MARKS))])
            + LABELS[rng.integers(4 if simple else len(LABELS))]
            for _ in range(count)
        ]
        last = "" if rng.random() < 0.5 else end
        file.write_bytes((end.join(rows) + last).encode())
        root = ("", "/data", "rel/", tmp_path)[rng.integers(4)]
        names = None if rng.random() < 0.5 else tuple("abcdefghijklm")
        monkeypatch.setattr(list_lines, "split_plain_lines", counted)
        found = outcome(file, root, names)
        monkeypatch.setattr(list_lines, "split_plain_lines", lambda lines: None)
        assert found == outcome(file, root, names), rows
    assert num_split > 100


def test_errors_name_lines_of_later_blocks(tmp_path):
    file = tmp_path / "list.txt"
    rows = [f"class 1/{number:07d}.mp4 1\n" for number in range(100_000)]
    rows[90_000] = "no label.mp4\n"
    file.write_text("".join(rows))
    with pytest.raises(ValueError, match=r"Line 90001 of .*'no label.mp4'"):
        read_path_label_list(file)
    rows[90_000] = "a.mp4,3,1\n"
    file.write_text("".join(rows))
    videos = read_path_label_list(file, "root")
    assert videos.paths[90_000:90_002] == ("root/a.mp4", "root/class 1/0090001.mp4")
    assert videos.labels[89_999:90_002] == ((1,), (3, 1), (1,))
