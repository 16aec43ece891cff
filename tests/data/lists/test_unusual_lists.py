"""Lists as people and their tools write them, and labels that are none."""

import csv
import io
import json
import os

import numpy as np
import pytest

from keras_nonlocal.data import (
    VideoList,
    read_charades_csv,
    read_frame_list,
    read_hmdb51_split,
    read_kinetics_csv,
    read_path_label_list,
    read_rawframe_list,
    read_something_something,
    read_ucf101_split,
)

PATHS = ("a, b/c d.mp4", 'the "best".mp4', "e;f.mp4", "tab\tin.mp4", "é 3.mp4", "g.mp4")


@pytest.mark.parametrize("separator", [",", ";", " ", "\t"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("labels", [(0, 5, 2, 3, 1, 4), ((0, 5), (2,), (3, 1), (4,))])
def test_lists_as_csv_writers_and_pandas_write_them(
    separator, quoting, labels, tmp_path
):
    paths = PATHS[: len(labels)]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, quoting=quoting)
    writer.writerow(("path", "label"))
    for path, label in zip(paths, labels, strict=True):
        row = label if isinstance(label, tuple) else (label,)
        writer.writerow((path, ",".join(map(str, row))))
    file = tmp_path / "list.csv"
    file.write_text(text.getvalue(), "utf-8")
    videos = read_path_label_list(file, class_names="abcdef")
    assert (videos.paths, videos.labels) == (paths, labels)


@pytest.mark.parametrize("separator", [",", "; ", " ", "\t"])
def test_paths_without_quotation_marks(separator, tmp_path):
    paths = ("a, b/c d.mp4", "e;f.mp4", "tab\tin.mp4", '"x".mp4')
    file = tmp_path / "list.txt"
    lines = [f"{path}{separator}{i}" for i, path in enumerate(paths)]
    file.write_text("\r\n".join(lines))
    videos = read_path_label_list(file)
    assert (videos.paths, videos.labels) == (paths, (0, 1, 2, 3))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]
)
def test_encodings(encoding, tmp_path):
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    file = tmp_path / "list.csv"
    file.write_bytes(f"{mark}käse.mp4 1\r\n東京 2.mp4 0\r\n".encode(encoding))
    videos = read_path_label_list(file)
    assert videos == VideoList(("käse.mp4", "東京 2.mp4"), (1, 0))
    file.write_bytes(
        f"{mark}label,youtube_id,time_start,time_end\r\nü,x,0,1\r\n".encode(encoding)
    )
    assert read_kinetics_csv(file, "k").class_names == ("ü",)
    file.write_bytes(
        f"{mark}{json.dumps({'T ü': 0}, ensure_ascii=False)}".encode(encoding)
    )
    (tmp_path / "t.json").write_text('[{"id": 7, "template": "T [ü]"}]', "utf-8")
    videos = read_something_something(tmp_path / "t.json", "s", file)
    assert videos.labels == (0,)


def test_utf_16_without_a_mark_is_refused(tmp_path):
    file = tmp_path / "list.csv"
    file.write_bytes("a.mp4 1\n".encode("utf-16-le"))
    with pytest.raises(ValueError, match=r"Line 1 of .*byte order mark"):
        read_path_label_list(file)


def test_names_of_other_bytes_stay_what_they_are(tmp_path):
    file = tmp_path / "list.txt"
    file.write_bytes(b"caf\xe9.mp4 1\n")
    (path,) = read_path_label_list(file).paths
    assert os.fsencode(path) == b"caf\xe9.mp4"


@pytest.mark.parametrize("line", ['"my clips/a, b" 12 30 2', "my clips/a, b 12 30 2"])
def test_folders_between_quotation_marks(line, tmp_path):
    file = tmp_path / "list.txt"
    file.write_text(f"{line}\n")
    videos = read_rawframe_list(file, with_offset=True, fps=10)
    assert videos.paths == ("my clips/a, b",)
    assert videos.segments == ((1.15, 4.15),)


def test_frames_in_folders_with_spaces(tmp_path):
    file = tmp_path / "list.csv"
    file.write_text(
        "original_vido_id video_id frame_id path labels\n"
        'x 0 0 "A B/1.jpg" "4,1"\nx\t0 1  "A B/2.jpg"\t"1"\n'
    )
    assert read_frame_list(file) == VideoList(("A B",), ((1, 4),))


def test_ucf101_videos_with_spaces(tmp_path):
    (tmp_path / "classInd.txt").write_text("1 Jump\n2 Run Fast\n")
    (tmp_path / "list.txt").write_text("Run Fast/v 1.avi 2\nJump/v.avi\n")
    videos = read_ucf101_split(tmp_path / "list.txt", "", tmp_path / "classInd.txt")
    assert videos.paths == ("Run Fast/v 1.avi", "Jump/v.avi")
    assert videos.labels == (1, 0)


@pytest.mark.parametrize(
    "line",
    ["Jump/v.avi 2", "v.avi 1", "Fly/v.avi", "Jump/v.avi 3", "Fly/v.avi 1", "Jump/"],
)
def test_bad_lines_of_ucf101_are_named(line, tmp_path):
    (tmp_path / "classInd.txt").write_text("1 Jump\n2 Run\n")
    (tmp_path / "list.txt").write_text(f"Run/v.avi 2\n\n{line}\n")
    with pytest.raises(ValueError, match=rf"Line 3 of .*Received: '{line}'"):
        read_ucf101_split(tmp_path / "list.txt", "", tmp_path / "classInd.txt")


@pytest.mark.parametrize("line", ["1 Fly", "3 Jump"])
def test_a_class_comes_once(line, tmp_path):
    (tmp_path / "classInd.txt").write_text(f"1 Jump\n{line}\n")
    (tmp_path / "list.txt").write_text("Jump/v.avi 1\n")
    with pytest.raises(ValueError, match=rf"Line 2 of .*classInd.*Received: '{line}'"):
        read_ucf101_split(tmp_path / "list.txt", "", tmp_path / "classInd.txt")


def test_hmdb51_after_tabs(tmp_path):
    (tmp_path / "wave_test_split1.txt").write_text("a b.avi\t1\nc.avi  2\n")
    assert read_hmdb51_split(tmp_path, "", 1, "training").paths == ("wave/a b.avi",)
    (tmp_path / "wave_test_split1.txt").write_text("a b.avi 1\n1\n")
    with pytest.raises(ValueError, match=r"Line 2 of .*Received: '1'"):
        read_hmdb51_split(tmp_path, "", 1, "training")


@pytest.mark.parametrize(
    ("entries", "labels", "message"),
    [
        ("[\n{'id': 1}]", "{}", r"Line 2 of .*train.*JSON \(.*Received: \"{'id': 1}\]"),
        ("", "{}", "Line 1 of .*train.* must be JSON"),
        ("[]", '{"a": 0,\n\n', "Line [123] of .*labels.* must be JSON"),
        ('{"id": 1}', "{}", "train.*a list of objects.*the type dict"),
        ("[]", "[]", "labels.*an object from templates.*the type list"),
        ('[{"id": 1}, {"template": "a"}]', '{"a": 0}', 'Entry 1 of .*"template"'),
        ('[{"id": 1, "template": "a"}, 3]', '{"a": 0}', "Entry 2 of .*Received: 3"),
        ('[{"template": "a"}]', '{"a": 0}', 'Entry 1 of .*an object with an "id"'),
        ('[{"id": 1, "template": "b"}]', '{"a": 0}', "Entry 1 of .*is in .*labels"),
        ("[]", '{"a": "1", "b": "2"}', "from 0 to 1 .*Received: none with .* index 0"),
        ("[]", '{"a": "0", "b": 0}', "Received: none with the class index 1"),
        ("[]", '{"a": "zero"}', "Received: none with the class index 0"),
        ("[" * 99_999, '{"a": 0}', "train.*a list of objects.*recursion"),
        ("[]", f'{{"a": {"7" * 9_999}}}', "labels.*an object from.*4300 digits"),
        ('[{"id": "", "template": "a"}]', '{"a": 0}', "Entry 1 of .*an object with an"),
        ('[{"id": true, "template": "a"}]', '{"a": 0}', "Entry 1 .*Received: {'id': T"),
    ],
)
def test_bad_json_is_named(entries, labels, message, tmp_path):
    (tmp_path / "train.json").write_text(entries)
    (tmp_path / "labels.json").write_text(labels)
    with pytest.raises(ValueError, match=message) as raised:
        read_something_something(tmp_path / "train.json", "", tmp_path / "labels.json")
    assert type(raised.value) is ValueError


@pytest.mark.parametrize(
    "line",
    [
        *("a.mp4", "3", "a.mp4 -1", "a.mp4,1.5", "a.mp4 1;x", '"a.mp4" 1 2', "a,b"),
        *('"",4', '"" 4', 'a.mp4,""'),
    ],
)
def test_lines_without_a_class_index(line, tmp_path):
    file = tmp_path / "list.txt"
    file.write_text(f"b.mp4 0\n{line}\n")
    with pytest.raises(ValueError, match=r"Line 2 of .*an integer from 0") as raised:
        read_path_label_list(file)
    assert str(raised.value).endswith(f"Received: {line!r}")


@pytest.mark.parametrize("separator", [" ", ";", ","])
def test_long_lines_are_cut_in_the_error(separator, tmp_path):
    file = tmp_path / "list.txt"
    line = f"a.mp4{separator}{'8' * 5_000}"
    file.write_text(f"b.mp4{separator}0\n{line}\n")
    with pytest.raises(ValueError, match=r"Line 2 of .*an integer from 0") as raised:
        read_path_label_list(file)
    shown = str(raised.value).partition("Received: ")[2]
    assert shown.endswith("8…'")
    assert shown[1:-2] == line[: len(shown) - 3]
    assert 20 <= len(shown) <= 500


def test_long_entries_are_cut_in_the_error(tmp_path):
    (tmp_path / "train.json").write_text(json.dumps([{"template": "b" * 9_999}]))
    (tmp_path / "labels.json").write_text('{"a": 0}')
    with pytest.raises(ValueError, match=r"Received: \{'template': 'bb") as raised:
        read_something_something(tmp_path / "train.json", "", tmp_path / "labels.json")
    assert len(str(raised.value)) <= 500 + len(str(tmp_path))


def bad_kinetics(tmp_path, row):
    (tmp_path / "list").write_bytes(
        b"label,youtube_id,time_start,time_end\nup,x,0,1\n" + row
    )
    return read_kinetics_csv(tmp_path / "list", "")


@pytest.mark.parametrize("row", [b"up,x,0,1,2\n", b"left, hot,x,0,1\n", b"up,x,0\n"])
def test_rows_of_another_length_are_named(row, tmp_path):
    with pytest.raises(ValueError, match=r"Line 3 of .*a row with the columns"):
        bad_kinetics(tmp_path, row)
    assert bad_kinetics(tmp_path, b'"up, hot",y,0,1,,\n').class_names == (
        "up",
        "up, hot",
    )


@pytest.mark.parametrize(
    "row", [b"up,,0,1\n", b",x,0,1\n", b"up,x\0,0,1\n", b"up,x,-1,1\n", b"up,x,0,-2\n"]
)
def test_rows_without_a_video_are_named(row, tmp_path):
    with pytest.raises(ValueError, match=r"Line 3 of .*must be a row"):
        bad_kinetics(tmp_path, row)


@pytest.mark.parametrize(
    "read",
    [
        lambda t: read_rawframe_list(write(t, 'a 9 2\n"" 9 3\n')),
        lambda t: read_rawframe_list(write(t, "a 3 9 2\nb 3 0 2\n"), with_offset=True),
        lambda t: read_frame_list(write(t, 'a 0 0 a/1 "2"\na 0 1 "" "9"')),
        lambda t: read_frame_list(write(t, 'a 0 0 a/1 "2"\na 0 1 1.jpg "9"')),
        lambda t: read_path_label_list(write(t, 'a\n""\n'), with_labels=False),
        lambda t: read_charades_csv(write(t, 'id,actions\n"",c001 0 1\n'), ""),
    ],
)
def test_entries_without_frames_are_named(read, tmp_path):
    with pytest.raises(ValueError, match=r"Line 2 of .*Received: "):
        read(tmp_path)


@pytest.mark.parametrize(
    "line", ['a.mp4,"3","17"', '"a.mp4";"3";"17"', 'a.mp4,"3",17', 'a.mp4\t"3"\t"17"']
)
def test_a_quoted_column_for_each_label(line, tmp_path):
    videos = read_path_label_list(write(tmp_path, line))
    assert (videos.paths, videos.labels) == (("a.mp4",), ((3, 17),))


def write(tmp_path, text):
    (tmp_path / "list.txt").write_text(text)
    return tmp_path / "list.txt"


@pytest.mark.parametrize(
    "read",
    [
        lambda t: read_path_label_list(write(t, "a.mp4 1\n\nb.mp4 3\n"), "", "abc"),
        lambda t: read_path_label_list(write(t, "a.mp4 1\n\nb.mp4,0,7\n"), "", "abc"),
        lambda t: read_rawframe_list(write(t, "a 9 2\n\nb 9 3\n"), "", "abc"),
        lambda t: read_frame_list(
            write(t, 'a 0 0 a/1 "2"\n\na 0 1 a/2 "9"'), "", "abc"
        ),
        lambda t: read_charades_csv(write(t, 'id,actions\na,""\nb,c200 0 1'), ""),
        lambda t: read_charades_csv(write(t, "id,actions\na,c001 0 1\nb,c157 0 1"), ""),
    ],
)
def test_labels_beyond_the_classes_are_named_with_their_line(read, tmp_path):
    with pytest.raises(ValueError, match=r"Line 3 of .*\(they count from 0\)"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ((1, 2), "from 0 to 1, .*they count from 0.* 2 for 'b.mp4', at place 1"),
        ((0, -1), "which count from 0.* -1 for 'b.mp4'"),
        ((1.5, 0), "which are integers.* 1.5 for 'a.mp4', at place 0"),
        ((0, 1.0), "which are integers"),
        ((True, 0), "which are integers"),
        (("up", "down"), "which are integers"),
        (((0, 2), ()), r"from 0 to 1.*\(0, 2\) for 'a.mp4'"),
        (([0, 0.5], 1), "which are integers"),
        (np.eye(2, dtype=int).repeat(2, axis=1), "not one number per class"),
        (np.array([0.0, 1.0]), "which are integers"),
    ],
)
def test_labels_that_are_no_class_indices(labels, problem):
    with pytest.raises(ValueError, match=f"`labels` must hold .*{problem}"):
        VideoList(("a.mp4", "b.mp4"), labels, ("down", "up"))


@pytest.mark.parametrize("labels", [(-1, 0), (0, 2.5), ((), (0, -3))])
def test_labels_are_checked_without_class_names(labels):
    with pytest.raises(ValueError, match="`labels` must hold class indices, which"):
        VideoList(("a.mp4", "b.mp4"), labels)


def test_classes_without_names_need_videos():
    paths = ("a.mp4", "b.mp4", "c.mp4")
    assert VideoList(paths, (0, 2, 1)).num_classes == 3
    assert VideoList(paths, ((), (1, 0), ())).num_classes == 2
    assert VideoList(paths, (0, 2, 1), "abcd").num_classes == 4
    with pytest.raises(ValueError, match="without a video of the class 0"):
        _ = VideoList(paths, (1, 2, 3)).num_classes
    # A set of all indices would fill the memory.
    with pytest.raises(ValueError, match="without a video of the class 2"):
        _ = VideoList(paths, (0, 1, 10**15)).num_classes


def test_class_names_are_different():
    with pytest.raises(ValueError, match="Received: 'b' more than once"):
        VideoList((), (), ("a", "b", "b"))


def test_labels_follow_other_class_names():
    videos = VideoList(("x", "y", "z"), ((0, 1), (), (1,)), ("up", "down"))
    moved = videos.with_class_names(("down", "left", "up"))
    assert moved.labels == ((2, 0), (), (0,))
    assert moved.class_names == ("down", "left", "up")
    with pytest.raises(ValueError, match="without 'up'"):
        videos.with_class_names(("down", "left"))
    assert videos.select([2]).with_class_names(("left", "down")).labels == ((1,),)
