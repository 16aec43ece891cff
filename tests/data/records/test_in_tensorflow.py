"""Records that operations of TensorFlow decode, beside what `RecordReader` gives."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_nonlocal.data import (
    Framing,
    RecordReader,
    VideoList,
    video_dataset_from_list,
    write_video_records,
)
from keras_nonlocal.data.datasets import list_pipeline
from keras_nonlocal.data.records.record_file import Origin, write_record_file
from tests.data.videos import moving_pictures, write_video

tf = pytest.importorskip("tensorflow")


class ReadByPython(RecordReader):
    """A reader that the package does not replace by operations of TensorFlow."""


@pytest.fixture(autouse=True)
def small_clips_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_pipeline, "_MANY_PIXELS", 0)


@pytest.fixture
def records(tmp_path: Path) -> VideoList:
    sizes = ((64, 80), (90, 66), (64, 80), (48, 48))
    paths = tuple(
        write_video(
            tmp_path / f"{seed} é,.mp4",
            moving_pictures(30, height, width, seed),
            timestamps=range(0, 60, 2),
        )
        for seed, (height, width) in enumerate(sizes)
    )
    videos = VideoList(
        paths, (0, 1, 1, 0), ("left", "right"), (None, (0.0, 1.0), None, None)
    )
    return write_video_records(
        videos, tmp_path / "records", short_side=64, quality=2, verbose=False
    )


def elements(videos: VideoList, open_video: Any, **arguments: Any) -> list[Any]:
    settings: dict[str, Any] = {
        "num_frames": 16,
        "frame_stride": 1,
        "crop_size": 40,
        "batch_size": None,
        "seed": 5,
        "with_info": True,
        "verbose": False,
        **arguments,
    }
    dataset = video_dataset_from_list(videos, open_video=open_video, **settings)
    return [*dataset.as_numpy_iterator(), *dataset.as_numpy_iterator()]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"horizontal_flip": True, "flip_labels": {"left": "right"}},
        {"crop_size": (30, 50), "short_side": (50, 120), "label_mode": "categorical"},
        {"num_clips": 3, "num_crops": 3, "shuffle": False},
        {"num_clips": 2, "shuffle": False, "num_frames": 40},
        {"num_frames": 40, "short_videos": "repeat_last", "label_mode": None},
        {"target_fps": 9.0, "shard": (1, 2), "label_mode": "binary"},
        {"crop_size": 100, "short_side": 110},
    ],
    ids=lambda arguments: "-".join(arguments) or "plain",
)
def test_clips_are_those_of_the_reader(
    records: VideoList, arguments: dict[str, Any]
) -> None:
    expected = elements(records, ReadByPython, **arguments)
    found = elements(records, RecordReader, **arguments)
    assert len(found) == len(expected) > 0
    for (pixels, *rest), (same_pixels, *same_rest) in zip(found, expected, strict=True):
        for value, same_value in zip(
            tf.nest.flatten(rest), tf.nest.flatten(same_rest), strict=True
        ):
            np.testing.assert_array_equal(value, same_value)
        assert pixels.shape == same_pixels.shape
        assert pixels.dtype == np.uint8
        # FFmpeg takes other colors between the stored ones. A shift by a pixel, or by a
        # frame, differs more.
        difference = np.abs(pixels.astype(int) - same_pixels).mean()
        for axis in (-2, -3, -4):
            shifted = np.roll(pixels, 1, axis).astype(int)
            assert np.abs(shifted - same_pixels).mean() > 1.5 * difference


def test_pixels_are_exact(records: VideoList, rng: np.random.Generator) -> None:
    from keras_nonlocal.data.records.tensorflow_pictures import (
        TensorFraming,
        framed_pictures,
        sizes_of,
    )

    for path in records.paths:
        _, *contents = (record.numpy() for record in tf.data.TFRecordDataset(path))
        contents = [contents[place] for place in rng.integers(30, size=3)]
        pictures = np.stack(
            [
                tf.io.decode_jpeg(content, 3, dct_method="INTEGER_ACCURATE")
                for content in contents
            ]
        )
        for _ in range(4):
            crop = tuple(rng.integers(20, 60, size=2).tolist())
            framing = Framing(
                short_side=int(rng.integers(max(crop), 150)),
                crop_size=crop,
                anchors=tuple(map(tuple, rng.random((3, 2)).tolist())),
                flip=bool(rng.random() < 0.5),
                anchors_are_drawn=bool(rng.random() < 0.5),
            )
            sizes = sizes_of(tf.constant(contents), framing.short_side, crop)
            assert sizes.is_usable
            found = framed_pictures(
                tf.constant(contents),
                sizes,
                TensorFraming(
                    tf.constant(framing.short_side, tf.int64),
                    tf.constant(framing.anchors, tf.float64),
                    tf.constant(framing.flip),
                    tf.constant(framing.anchors_are_drawn),
                ),
                crop,
            )
            expected = np.stack([cut_exactly(p, framing) for p in pictures], axis=1)
            # Half a level is rounding to integers, the rest that of float32.
            np.testing.assert_allclose(found, expected, rtol=0, atol=0.5 + 1e-3)


def cut_exactly(picture: np.ndarray, framing: Framing) -> np.ndarray:
    """Scales and cuts a picture in float64, without rounding."""
    height, width = picture.shape[:2]
    scaled_height, scaled_width = framing.scaled_size(height, width)
    rows = triangle(height, scaled_height)
    columns = triangle(width, scaled_width)
    scaled = np.einsum("hi,ijc->hjc", rows, picture.astype(np.float64))
    return framing.cut(np.einsum("wj,hjc->hwc", columns, scaled))


def triangle(length: int, scaled: int) -> np.ndarray:
    """The weight of each stored pixel in each scaled one, with repeated edges."""
    step = length / scaled
    radius = max(step, 1.0)
    weights = np.zeros((scaled, length))
    for place in range(scaled):
        center = (place + 0.5) * step - 0.5
        for pixel in range(int(center - radius) - 1, int(center + radius) + 2):
            weight = max(0.0, 1 - abs(pixel - center) / radius)
            weights[place, min(max(pixel, 0), length - 1)] += weight
    return weights / weights.sum(1, keepdims=True)


def test_python_reads_none_of_them(
    records: VideoList, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(RecordReader, "__init__", fail)
    assert len(elements(records, RecordReader)) == 2 * len(records.paths)


def damage(path: Path, kind: str) -> None:
    content = bytearray(path.read_bytes())
    if kind == "empty":
        content.clear()
    elif kind == "truncated":
        del content[-5:]
    elif kind == "longer":
        content += b"\0" * 16
    else:
        # Not a checksum of TFRecords between two pictures, which nobody needs.
        in_picture = content.rindex(b"\xff\xd8\xff", 0, len(content) // 2) + 300
        content[{"index": 40, "picture": in_picture}[kind]] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    "kind", ["missing", "folder", "empty", "truncated", "longer", "index"]
)
def test_damaged_files_are_named_as_by_the_reader(
    records: VideoList, kind: str
) -> None:
    path = Path(records.paths[2])
    if kind in ("missing", "folder"):
        path.unlink()
        if kind == "folder":
            path.mkdir()
    else:
        damage(path, kind)
    reasons = []
    for reader in (ReadByPython, RecordReader):
        dataset = video_dataset_from_list(
            records,
            num_frames=16,
            frame_stride=1,
            crop_size=32,
            open_video=reader,
            on_error="skip",
            seed=1,
            verbose=False,
        )
        clips, labels = next(iter(dataset))
        assert len(clips) == len(labels) == 3
        reasons.append(dict(dataset.failures.reasons))
    assert reasons[0] == reasons[1]
    assert [*reasons[0]] == [str(path)]


def unreadable(kind: str, path: Path, rng: np.random.Generator) -> None:
    """Replaces a record file by another one, of which all checksums are right."""
    times = np.arange(20) / 10
    pictures = [
        tf.io.encode_jpeg(picture).numpy() for picture in moving_pictures(20, 64, 80, 0)
    ]
    wrong = int(rng.integers(20))
    if kind == "truncated":
        pictures[wrong] = pictures[wrong][: len(pictures[wrong]) // 2]
    elif kind == "junk":
        pictures[wrong] = b"\xff\xd8\xff\xe0" + rng.bytes(200)
    if kind in ("truncated", "junk"):
        write_record_file(str(path), times, pictures, Origin("x", 64, 2))
        return
    first = b"\xff\xff\xffno example"
    if kind != "no example":
        index = tf.train.Example()
        for name in ("microseconds", "lengths", "checksums"):
            index.features.feature[name].bytes_list.value.append(b"x")
        first = index.SerializeToString()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in (first, *pictures):
            writer.write(record)


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        *(("truncated", place) for place in (0, 2, 3)),
        ("junk", 0),
        ("no example", 2),
        ("no numbers", 3),
    ],
)
def test_unreadable_files_are_left_out_in_their_place(
    records: VideoList, kind: str, place: int, rng: np.random.Generator
) -> None:
    unreadable(kind, Path(records.paths[place]), rng)
    results = []
    for reader in (ReadByPython, RecordReader):
        dataset = video_dataset_from_list(
            records,
            num_frames=20,
            frame_stride=1,
            crop_size=32,
            batch_size=None,
            open_video=reader,
            on_error="skip",
            with_info=True,
            shuffle=False,
            verbose=False,
        )
        shown = [element[-1]["path"] for element in dataset.as_numpy_iterator()]
        results.append((shown, dict(dataset.failures.reasons)))
    assert results[0] == results[1]
    assert [*results[0][1]] == [records.paths[place]]
    assert len(results[0][0]) == 3


def test_small_clips_are_left_to_the_reader(
    records: VideoList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    for found, same in zip(
        elements(records, RecordReader), elements(records, ReadByPython), strict=True
    ):
        np.testing.assert_array_equal(found[0], same[0])


def test_a_damaged_picture_is_named(records: VideoList) -> None:
    damage(Path(records.paths[0]), "picture")
    dataset = video_dataset_from_list(
        records.select([0]),
        num_frames=30,
        frame_stride=1,
        crop_size=32,
        open_video=RecordReader,
        verbose=False,
    )
    with pytest.raises(tf.errors.OpError, match=r"its picture \d+ is damaged"):
        list(dataset)


def test_a_segment_without_frames_is_named(records: VideoList) -> None:
    late = replace(records, segments=(None, (50.0, 51.0), None, None))
    with pytest.raises(Exception, match=r"it has no frames from 50.0 s to 51.0 s"):
        elements(late, RecordReader)


def test_pictures_that_change_their_size_are_left_to_the_reader(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, (height, width) in enumerate([(64, 80)] * 3 + [(80, 64)] * 3):
        picture = moving_pictures(1, height, width, seed=number)[0]
        content = tf.io.encode_jpeg(picture, quality=95).numpy()
        (folder / f"{number}.jpg").write_bytes(content)
    from keras_nonlocal.data import FrameFolderReader

    videos = write_video_records(
        VideoList((str(folder),)),
        tmp_path / "records",
        open_video=FrameFolderReader,
        verbose=False,
    )
    arguments = {"num_frames": 16}
    (expected, _), *_ = elements(videos, ReadByPython, **arguments)
    (found, _), *_ = elements(videos, RecordReader, **arguments)
    np.testing.assert_array_equal(found, expected)


def test_an_epoch_goes_on_where_it_was_left(records: VideoList) -> None:
    dataset = video_dataset_from_list(
        records,
        num_frames=16,
        frame_stride=1,
        crop_size=40,
        batch_size=1,
        seed=3,
        open_video=RecordReader,
        verbose=False,
    )
    list(dataset)
    expected = [*dataset.as_numpy_iterator()][2:]
    found = [*dataset.resume(1, 2).as_numpy_iterator()]
    for one, other in zip(found, expected, strict=True):
        for value, same in zip(one, other, strict=True):
            np.testing.assert_array_equal(value, same)


def test_the_length_is_known(records: VideoList) -> None:
    arguments = {"open_video": RecordReader, "num_frames": 16, "batch_size": 3}
    dataset = video_dataset_from_list(records, **arguments, verbose=False)
    assert len(dataset) == 2
    assert len(dataset.resume(0, 1)) == 1
    dataset = video_dataset_from_list(
        records, **arguments, on_error="skip", verbose=False
    )
    assert dataset.cardinality() == tf.data.UNKNOWN_CARDINALITY


def test_clips_of_distant_frames_are_left_to_the_reader(records: VideoList) -> None:
    arguments = {"num_clips": 2, "num_frames": 8, "frame_stride": 1, "shuffle": False}
    near = elements(records, RecordReader, **arguments)
    exact = elements(records, ReadByPython, **arguments)
    assert any((a[0] != b[0]).any() for a, b in zip(near, exact, strict=True))
    arguments |= {"num_frames": 1, "num_clips": 16}
    near = elements(records, RecordReader, **arguments)
    exact = elements(records, ReadByPython, **arguments)
    assert len(near) == len(exact)
