import json
from pathlib import Path
from typing import Any

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
    video_dataset_from_list,
)
from tests.data.videos import moving_pictures, write_video


@pytest.mark.parametrize("separator", [" ", ",", "; ", "\t"])
def test_paths_and_labels(separator: str, tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_text(f"a b.mp4{separator}3\n\nc.mp4{separator}0\n")
    assert read_path_label_list(file, "/data", "abcd") == VideoList(
        ("/data/a b.mp4", "/data/c.mp4"), (3, 0), ("a", "b", "c", "d")
    )


def test_several_labels(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_text("a.mp4,3,17\nb.mp4,2\n")
    assert read_path_label_list(file).labels == ((3, 17), (2,))


def test_several_labels_after_white_space(tmp_path: Path) -> None:
    file = tmp_path / "train.txt"
    file.write_text("a 1.mp4 3 17\nb.mp4 2\nc.mp4,4,5\n")
    videos = read_path_label_list(file, "/m", several_labels=True)
    assert videos.paths == ("/m/a 1.mp4", "/m/b.mp4", "/m/c.mp4")
    assert videos.labels == ((3, 17), (2,), (4, 5))


def test_folders_of_frames(tmp_path: Path) -> None:
    file = tmp_path / "train.txt"
    file.write_text("some/directory-1 163 1\nsome, other/2 122 0\n")
    assert read_rawframe_list(file, "/m", "ab") == VideoList(
        ("/m/some/directory-1", "/m/some, other/2"), (1, 0), ("a", "b")
    )
    file.write_text("a 163 1 3 5\nb 122 1\n")
    videos = read_rawframe_list(file, several_labels=True)
    assert videos.labels == ((1, 3, 5), (1,))
    with pytest.raises(ValueError, match=r"Line 1 of .*Received: 'a 163 1 3 5'"):
        read_rawframe_list(file)
    file.write_text("a 163\n")
    with pytest.raises(ValueError, match=r"1 numbers of frames .*Received: 'a 163'"):
        read_rawframe_list(file)


@pytest.mark.parametrize("fps", [30.0, 23.976, 7.0])
def test_offsets_choose_the_frames(fps: float, tmp_path: Path) -> None:
    file = tmp_path / "train.txt"
    rng = np.random.default_rng()
    offsets, totals = rng.integers(0, 500, 50), rng.integers(1, 300, 50)
    lines = [f"v {i} {n} 3" for i, n in zip(offsets, totals, strict=True)]
    file.write_text("\n".join(lines))
    videos = read_rawframe_list(file, with_offset=True, fps=fps)
    times = np.arange(1000) / fps
    for segment, first, total in zip(
        videos.segments or (), offsets, totals, strict=True
    ):
        assert segment is not None
        chosen = np.flatnonzero((times >= segment[0]) & (times < segment[1]))
        assert chosen.tolist() == [*range(first, first + total)]


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_text("a.mp4 3\nb.mp4 walking\n")
    with pytest.raises(ValueError, match=r"Line 2 of .*Received: 'b.mp4 walking'"):
        read_path_label_list(file)


def test_kinetics(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_text(
        "label,youtube_id,time_start,time_end,split\n"
        "zumba,-Q8,13,23,train\nair drumming,0aX,0,10,train\n"
    )
    assert read_kinetics_csv(file, "/k") == VideoList(
        ("/k/zumba/-Q8_000013_000023.mp4", "/k/air drumming/0aX_000000_000010.mp4"),
        (1, 0),
        ("air drumming", "zumba"),
    )
    with pytest.raises(
        ValueError, match=r"Line 3 of .*class names\. Received: 'air drumming,0aX"
    ):
        read_kinetics_csv(file, "/k", ["zumba"])
    file.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"Received: the columns \['a', 'b'\]"):
        read_kinetics_csv(file, "/k")


def test_kinetics_in_other_folders(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    # As spreadsheets save it: with a byte order mark.
    file.write_text(
        "label,youtube_id,time_start,time_end,split\nair drumming,0aX,0,10,train\n",
        encoding="utf-8-sig",
    )
    flat = read_kinetics_csv(file, "/k", folders=None)
    assert flat == VideoList(("/k/0aX_000000_000010.mp4",), (0,), ("air drumming",))
    renamed = read_kinetics_csv(file, "/k", folders="label_with_underscores")
    assert renamed.paths == ("/k/air_drumming/0aX_000000_000010.mp4",)
    assert renamed.class_names == ("air drumming",)
    with pytest.raises(ValueError, match="Received: folders='flat'"):
        read_kinetics_csv(file, "/k", folders="flat")
    file.write_text("youtube_id,time_start,time_end,split\n0aX,0,10,test\n")
    test = read_kinetics_csv(file, "/k", ["a", "b"], folders=None)
    assert test == VideoList(("/k/0aX_000000_000010.mp4",), None, ("a", "b"))
    with pytest.raises(ValueError, match=r"must have the columns \['label', "):
        read_kinetics_csv(file, "/k")


def test_paths_without_labels(tmp_path: Path) -> None:
    file = tmp_path / "test.txt"
    file.write_text("a b.mp4\n\nc 7.mp4\n")
    videos = read_path_label_list(file, "/m", with_labels=False)
    assert videos == VideoList(("/m/a b.mp4", "/m/c 7.mp4"))


def test_frame_lists(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    head = "original_vido_id video_id frame_id path labels\n"
    file.write_text(
        f'{head}AB 0 0 AB/AB-000001.jpg ""\nAB 0 1 AB/AB-000002.jpg "14,9"\n'
        'AB 0 2 AB/AB-000003.jpg "9,3"\nCD 1 0 CD/CD-000001.jpg ""\n'
    )
    videos = read_frame_list(file, "/c")
    assert videos == VideoList(("/c/AB", "/c/CD"), ((3, 9, 14), ()))
    file.write_text(f'{head}1 0 0 1/1_000001.jpg ""\n')
    assert read_frame_list(file, class_names="ab") == VideoList(
        ("1",), None, ("a", "b")
    )
    for line in ("1 0 0 1/1_000001.jpg", '1 0 0 1/1_000001.jpg "x"'):
        file.write_text(head + line)
        with pytest.raises(ValueError, match=r"Line 2 of .*a video, two numbers, "):
            read_frame_list(file)


def test_ucf101(tmp_path: Path) -> None:
    (tmp_path / "classInd.txt").write_text("1 Archery\n2 ApplyLipstick\n")
    (tmp_path / "train.txt").write_text("ApplyLipstick/v_1.avi 2\nArchery/v_2.avi 1\n")
    (tmp_path / "test.txt").write_text("ApplyLipstick/v_3.avi\n")
    index = tmp_path / "classInd.txt"
    names = ("Archery", "ApplyLipstick")
    assert read_ucf101_split(tmp_path / "train.txt", "/u", index) == VideoList(
        ("/u/ApplyLipstick/v_1.avi", "/u/Archery/v_2.avi"), (1, 0), names
    )
    assert read_ucf101_split(tmp_path / "test.txt", "/u", index) == VideoList(
        ("/u/ApplyLipstick/v_3.avi",), (1,), names
    )


def test_hmdb51(tmp_path: Path) -> None:
    (tmp_path / "wave_test_split1.txt").write_text("a.avi 1 \nb.avi 2 \nc.avi 0\n")
    (tmp_path / "cartwheel_test_split1.txt").write_text("d.avi 1\n")
    assert read_hmdb51_split(tmp_path, "/h", 1, "training") == VideoList(
        ("/h/cartwheel/d.avi", "/h/wave/a.avi"), (0, 1), ("cartwheel", "wave")
    )
    assert read_hmdb51_split(tmp_path, "/h", 1, "test").paths == ("/h/wave/b.avi",)
    with pytest.raises(ValueError, match="Received: subset='validation'"):
        read_hmdb51_split(tmp_path, "/h", 1, "validation")
    with pytest.raises(ValueError, match="split=4"):
        read_hmdb51_split(tmp_path, "/h", 4, "test")


def test_something_something(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text(
        json.dumps({"Opening something": "1", "Closing something": "0"})
    )
    (tmp_path / "train.json").write_text(
        json.dumps([{"id": "78", "label": "x", "template": "Opening [something]"}])
    )
    videos = read_something_something(
        tmp_path / "train.json", "/s", tmp_path / "labels.json"
    )
    names = ("Closing something", "Opening something")
    assert videos == VideoList(("/s/78.webm",), (1,), names)
    (tmp_path / "test.json").write_text(json.dumps([{"id": "9"}]))
    test = read_something_something(
        tmp_path / "test.json", "/s", tmp_path / "labels.json"
    )
    assert test == VideoList(("/s/9.webm",), None, names)


def test_charades(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_text(
        'id,scene,actions\nAB,Kitchen,"c092 11.90 21.20;c003 0.00 1.5"\nCD,Hall,\n'
    )
    videos = read_charades_csv(file, "/c")
    assert videos.paths == ("/c/AB.mp4", "/c/CD.mp4")
    assert videos.labels == ((3, 92), ())
    assert len(videos.class_names or ()) == 157
    actions = read_charades_csv(file, "/c", by_action=True)
    assert actions.paths == ("/c/AB.mp4", "/c/AB.mp4")
    assert actions.labels == ((92,), (3,))
    assert actions.segments == ((11.9, 21.2), (0.0, 1.5))


@pytest.mark.parametrize(
    "row",
    ["AB", 'AB,"x 0.0 1.0"', "AB,c 0.0 1.0", "AB,c001 0.0", "AB,c001 zero 1.0"],
)
@pytest.mark.parametrize("by_action", [True, False])
def test_bad_rows_of_charades_are_named(
    row: str, by_action: bool, tmp_path: Path
) -> None:
    file = tmp_path / "train.csv"
    file.write_text(f'id,actions\nCD,"c092 11.90 21.20"\n{row}\n')
    received = row.replace('"', "")
    with pytest.raises(ValueError, match="a row w") as raised:
        read_charades_csv(file, "/c", by_action=by_action)
    assert str(raised.value).startswith(f"Line 3 of {str(file)!r} must be a row w")
    assert str(raised.value).endswith(f". Received: {received!r}")


@pytest.mark.parametrize("row", ["a,0aX,foo,10", "a,0aX,0,inf", "a,0aX,0", "a,0aX,,10"])
@pytest.mark.parametrize("folders", ["label", None])
def test_bad_rows_of_kinetics_are_named(row: str, folders: Any, tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_text(f"label,youtube_id,time_start,time_end\na,0aY,0,10\n{row}\n")
    message = rf"^Line 3 of '.*train\.csv' must be a row .* Received: '{row}'$"
    with pytest.raises(ValueError, match=message):
        read_kinetics_csv(file, "/k", folders=folders)
    file.write_text("youtube_id,time_start,time_end,label\n0aY,0,10\n")
    with pytest.raises(ValueError, match=r"Line 2 of .*Received: '0aY,0,10'$"):
        read_kinetics_csv(file, "/k", folders=None)


@pytest.mark.parametrize("line", ["Archery", "one Archery", "1 "])
def test_bad_classes_of_ucf101_are_named(line: str, tmp_path: Path) -> None:
    index = tmp_path / "classInd.txt"
    index.write_text(f"\n{line}\n")
    (tmp_path / "train.txt").write_text("Archery/v_2.avi 1\n")
    with pytest.raises(ValueError, match=r"Line 2 of .*classInd.* a number and a cl"):
        read_ucf101_split(tmp_path / "train.txt", "/u", index)


def test_lists_hold_plain_values(tmp_path: Path) -> None:
    segments = [np.array([0, 1], np.float32), None, [2, 3]]
    videos = VideoList(
        [tmp_path / "a.mp4", Path("b.mp4"), "c.mp4"],  # type: ignore[arg-type]
        [np.int64(3), [np.int32(1), 2], np.array([4, 5])],  # type: ignore[arg-type]
        "abcdef",  # type: ignore[arg-type]
        segments,  # type: ignore[arg-type]
    )
    expected = VideoList(
        (str(tmp_path / "a.mp4"), "b.mp4", "c.mp4"),
        (3, (1, 2), (4, 5)),
        (*"abcdef",),
        ((0.0, 1.0), None, (2.0, 3.0)),
    )
    assert videos == expected
    assert hash(videos) == hash(expected)
    fields = [videos.paths, videos.labels, videos.class_names, videos.segments]
    assert json.loads(json.dumps(fields)) == [
        [str(tmp_path / "a.mp4"), "b.mp4", "c.mp4"],
        [3, [1, 2], [4, 5]],
        [*"abcdef"],
        [[0.0, 1.0], None, [2.0, 3.0]],
    ]


def test_clips_come_from_the_segment_with_all_labels(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    frames = moving_pictures(30, 32, 32)
    path = write_video(tmp_path / "v.mkv", frames, codec="ffv1", pix_fmt="bgr0")
    videos = VideoList((path, path), ((0, 2), ()), ("a", "b", "c"), ((0.5, 0.6), None))
    dataset = video_dataset_from_list(
        videos,
        label_mode="multi_hot",
        num_frames=3,
        frame_stride=1,
        crop_size=32,
        short_side=32,
        shuffle=False,
        verbose=False,
    )
    clips, labels = next(iter(dataset))
    np.testing.assert_array_equal(clips[0], frames[15:18])
    np.testing.assert_array_equal(clips[1], frames[13:16])
    assert labels.numpy().tolist() == [[1, 0, 1], [0, 0, 0]]


def test_lists_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"each of the 1 paths\. Received: 2 labels"):
        VideoList(("a.mp4",), (1, 2))
    with pytest.raises(ValueError, match="at least one video"):
        video_dataset_from_list(VideoList(()))
    with pytest.raises(ValueError, match=r'"multi_hot" or None .*label_mode=\'int\''):
        video_dataset_from_list(VideoList(("a.mp4",), ((1, 2),)))


def test_only_existing_files_on_request(tmp_path: Path) -> None:
    (tmp_path / "b.mp4").touch()
    paths = tuple(str(tmp_path / name) for name in ("a.mp4", "b.mp4"))
    videos = VideoList(paths, (4, 5), segments=(None, (0.0, 1.0)))
    expected = VideoList(paths[1:], (5,), segments=((0.0, 1.0),))
    assert videos.existing() == expected
