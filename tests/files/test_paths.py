"""Videos behind a scheme: TensorFlow's file system in memory stands for any other."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_nonlocal import files
from keras_nonlocal.data import (
    FrameFolderReader,
    Framing,
    PyAVReader,
    RecordReader,
    VideoError,
    VideoList,
    list_directory,
    read_path_label_list,
    read_something_something,
    video_dataset_from_directory,
    write_video_records,
)
from keras_nonlocal.files import open_bytes
from tests.data.readers.test_stored_frames import write_folder
from tests.data.videos import moving_pictures, write_video

tf = pytest.importorskip("tensorflow")

FRAMING = Framing(32, (32, 32))


def copy(path: str | Path, target: str) -> str:
    tf.io.gfile.makedirs(target.rpartition("/")[0])
    with tf.io.gfile.GFile(target, "wb") as file:
        file.write(Path(path).read_bytes())
    return target


@pytest.fixture
def remote(request: Any, tmp_path: Path) -> Iterator[str]:
    directory = f"ram://{request.node.name}/videos"
    for seed, name in enumerate(("b/1.mp4", "a/2.mp4", "a/1.mp4")):
        video = write_video(tmp_path / "v.mp4", moving_pictures(20, 36, 48, seed))
        copy(video, f"{directory}/{name}")
    copy(video, f"{directory}/a/notes.txt")
    yield directory
    tf.io.gfile.rmtree(f"ram://{request.node.name}")


def test_frames_are_those_of_the_local_file(remote: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", moving_pictures(60, 36, 48), gop=20)
    indices = np.array([[59, 3], [30, 41]])
    with (
        PyAVReader(path) as local,
        PyAVReader(copy(path, f"{remote}/v.mp4")) as video,
    ):
        np.testing.assert_array_equal(video.times, local.times)
        expected = local.read(indices, FRAMING)
        np.testing.assert_array_equal(video.read(indices, FRAMING), expected)


def test_a_remote_directory_is_listed_and_read(remote: str) -> None:
    videos = list_directory(remote)
    names = ("a/1.mp4", "a/2.mp4", "b/1.mp4")
    assert videos.paths == tuple(f"{remote}/{name}" for name in names)
    assert videos.class_names == ("a", "b")
    assert videos.labels == (0, 0, 1)
    dataset = video_dataset_from_directory(
        remote,
        num_frames=2,
        frame_stride=1,
        crop_size=32,
        shuffle=False,
        verbose=False,
    )
    clips, _ = next(iter(dataset))
    for clip, path in zip(clips, videos.paths, strict=True):
        with PyAVReader(path) as video:
            framing = Framing(37, (32, 32))
            expected = video.read(np.array([9, 10]), framing)[:, 0]
        np.testing.assert_array_equal(clip, expected)
    with pytest.raises(ValueError, match=r"does not exist. Received: .*ram://none"):
        list_directory("ram://none")


def test_records_are_written_and_read_remotely(remote: str) -> None:
    videos = list_directory(remote)
    target = f"{remote}/records"
    written = write_video_records(videos, target, short_side=36, verbose=False)
    assert sorted(tf.io.gfile.listdir(target)) == [
        f"00000{i}.tfrecord" for i in range(3)
    ]
    assert written.existing() == written
    with PyAVReader(videos.paths[1]) as video, RecordReader(written.paths[1]) as record:
        indices = np.array([17, 2])
        expected = video.read(indices, FRAMING).astype(int)
        assert np.abs(record.read(indices, FRAMING) - expected).mean() < 8


def test_remote_folders_of_frames(remote: str, tmp_path: Path) -> None:
    pictures = moving_pictures(3, 32, 32)
    for path in write_folder(tmp_path / "frames", pictures).iterdir():
        copy(path, f"{remote}/frames/{path.name}")
    with FrameFolderReader(f"{remote}/frames") as video:
        got = video.read(np.arange(3), FRAMING)[:, 0]
    np.testing.assert_array_equal(got, pictures)


def test_remote_lists(remote: str, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("a/1.mp4 3\nß.mp4 1\n", encoding="utf-8")
    videos = read_path_label_list(copy(tmp_path / "list", f"{remote}/list"), remote)
    assert videos == VideoList((f"{remote}/a/1.mp4", f"{remote}/ß.mp4"), (3, 1))
    assert videos.existing().labels == (3,)
    (tmp_path / "labels").write_text(json.dumps({"Moving something": "0"}))
    (tmp_path / "list").write_text(
        json.dumps([{"id": "7", "template": "Moving [something]"}])
    )
    videos = read_something_something(
        copy(tmp_path / "list", f"{remote}/list.json"),
        "/s",
        copy(tmp_path / "labels", f"{remote}/labels.json"),
    )
    assert videos.paths == ("/s/7.webm",)


def test_what_cannot_be_read_is_named(remote: str, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"none.mp4': No such file"):
        PyAVReader(f"{remote}/none.mp4")
    with pytest.raises(VideoError, match=r"none': No such file"):
        FrameFolderReader(f"{remote}/none")
    with pytest.raises(VideoError, match=r"none.tfrecord': No such file"):
        RecordReader(f"{remote}/none.tfrecord")
    with pytest.raises(VideoError, match="scheme 'nowhere' not implemented"):
        PyAVReader("nowhere://a/v.mp4")
    (tmp_path / "v.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError, match=r"v.mp4': Invalid data"):
        PyAVReader(copy(tmp_path / "v.mp4", f"{remote}/v.mp4"))


def test_bytes_from_any_place(remote: str, tmp_path: Path) -> None:
    content = np.random.default_rng().bytes(3 * 2**20)
    (tmp_path / "x").write_bytes(content)
    with open_bytes(copy(tmp_path / "x", f"{remote}/x")) as file:
        assert file.seek(-7, 2) == len(content) - 7
        assert file.read() == content[-7:]
        file.seek(2**20 - 3)
        assert file.read(10) == content[2**20 - 3 : 2**20 + 7]
        file.seek(5, 1)
        assert file.tell() == 2**20 + 12


@pytest.mark.parametrize("name", ["a\0.png", "a\ud800.png"])
def test_a_name_that_no_file_can_have_has_no_state(tmp_path, name):
    assert files.state(str(tmp_path / name)) is None
