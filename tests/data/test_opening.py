"""Readers that are chosen by the path."""

import numpy as np
import pytest

from keras_nonlocal.data import (
    FrameFolderReader,
    PyAVReader,
    RecordReader,
    VideoError,
    VideoList,
    scan_videos,
    write_video_records,
)
from keras_nonlocal.data.opening import open_any_video, reader_of_list
from tests.data.videos import moving_pictures, write_video

pytest.importorskip("tensorflow")


@pytest.fixture
def paths(tmp_path, rng):
    image = pytest.importorskip("PIL.Image")
    video = tmp_path / "video.mp4"
    write_video(video, moving_pictures(5, 40, 48, int(rng.integers(99))))
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(3):
        pixels = rng.integers(0, 256, (20, 30, 3), np.uint8)
        image.fromarray(pixels).save(frames / f"{number}.png")
    videos = VideoList((str(video),))
    (record,) = write_video_records(videos, tmp_path / "r", verbose=False).paths
    return str(video), str(frames), record


def test_the_reader_is_that_of_the_path(paths):
    kinds = (PyAVReader, FrameFolderReader, RecordReader)
    for path, kind, count in zip(paths, kinds, (5, 3, 5), strict=True):
        with open_any_video(path) as reader:
            assert type(reader) is kind
            assert len(reader.times) == count
    assert reader_of_list(paths[2:]) is RecordReader
    assert reader_of_list(paths) is open_any_video
    assert reader_of_list(paths[:1]) is reader_of_list(()) is PyAVReader


def test_a_record_is_not_taken_for_a_stream_of_jpegs(paths):
    with pytest.raises(VideoError, match=r"`open_video=keras_nonlocal.data.RecordR"):
        PyAVReader(paths[2])


def test_a_scan_knows_records(paths, tmp_path):
    video, _, record = scan_videos(paths)
    assert (record.num_frames, record.codec, record.error) == (5, "mjpeg", "")
    assert (record.height, record.width) == (video.height, video.width)
    assert record.duration == pytest.approx(video.duration, abs=1e-6)
    with open(paths[2], "r+b") as file:
        file.seek(-200, 2)
        file.write(b"damage")
    (broken,) = scan_videos(paths[2:])
    assert "picture 4 is damaged" in broken.error
