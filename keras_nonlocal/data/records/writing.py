"""Writes videos from files or TensorFlow Datasets as TFRecord files."""

import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from keras_nonlocal.arguments import check_positive_number
from keras_nonlocal.data.datasets.epochs import shard_of
from keras_nonlocal.data.datasets.failures import FailurePolicy, OnError
from keras_nonlocal.data.lists.tfds import video_stream
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.data.readers.pyav import PyAVReader
from keras_nonlocal.data.readers.stored_frames import PicturesReader
from keras_nonlocal.data.readers.video_reader import OpenVideo
from keras_nonlocal.data.records.record_writer import RecordJob, RecordWriter

_INFINITE = -1  # tf.data.INFINITE_CARDINALITY


def write_video_records(
    videos: VideoList,
    directory: str | os.PathLike[str],
    *,
    short_side: int = 320,
    quality: int = 3,
    num_threads: int | None = None,
    on_error: OnError = "raise",
    max_errors: int = 100,
    open_video: OpenVideo = PyAVReader,
    verbose: bool = True,
    shard: tuple[int, int] | None = None,
) -> VideoList:
    """Writes every video as a TFRecord file of JPEG frames.

    Read them with `open_video=keras_nonlocal.data.RecordReader`. Repeat an interrupted
    call to resume it. Complete files are kept, and files of videos whose size or
    modification time has changed are rewritten. Pictures are rotated upright according
    to display matrices and EXIF data, and may change size within a video.

    JPEG is lossy. At the default quality, the pixels of detailed pictures differ from
    those of the video by 3 of 255 levels on average, and smooth pictures by less. The
    difference is 2.5 levels at `quality=2`, and 4 levels at `quality=6`, with half the
    bytes.

    Args:
        videos: The videos.
        directory: Directory for the files `000000.tfrecord` and so on, in the order of
            `videos`. A path with a scheme (`gs://…`) is written by `tf.io.gfile`.
        short_side: Length in pixels to which the shorter side of larger pictures is
            scaled. Smaller pictures keep their size. Defaults to `320`.
        quality: Quantizer of the JPEG encoder, from 2 (best) to 31 (worst). Defaults to
            `3`.
        num_threads: Number of videos to write at a time. Defaults to the number of
            processor cores that the process may use.
        on_error, max_errors: How to handle videos that cannot be read; see
            `video_dataset_from_directory`. Defaults to `"raise"` and `100`.
        open_video: Function that opens a path. Defaults to
            `keras_nonlocal.data.PyAVReader`.
        verbose: Whether to show a progress bar. Defaults to `True`.
        shard: Index of this machine and number of machines, such as `(0, 4)`. Each
            machine writes its share of the same `videos` to the same directory.
            Afterwards, a call without `shard` returns the whole list. Defaults to
            `None`.

    Returns:
        The list of the written files, with the labels and segments of `videos`. With
        `shard`, it contains the files of this machine.

    Raises:
        ValueError: If the directory contains records of different videos, or with a
            different `short_side` or `quality`, or if another process is writing to it.
        VideoError: If a video cannot be read and `on_error` does not leave it out.
        OSError: If a file cannot be written, for instance on a full disk. No partial
            file is left.
    """
    writer = RecordWriter(
        directory, short_side, quality, FailurePolicy(on_error, max_errors)
    )
    share = shard_of(shard, is_equal=False)

    def job(index: int) -> RecordJob:
        path = videos.paths[index]
        return RecordJob(index, path, lambda: open_video(path))

    indices = range(share.index, len(videos.paths), share.count)
    is_written = writer.write(
        map(job, indices), len(indices), num_threads, verbose, share
    )
    paths = tuple(writer.path(index) for index in range(len(videos.paths)))
    written = np.array(indices, np.int64)[np.array(is_written, bool)]
    return replace(videos, paths=paths).select(written)


def write_tfds_records(
    source: Any,
    directory: str | os.PathLike[str],
    split: str | None = None,
    *,
    video_key: str = "video",
    label_key: str | None = "label",
    class_names: Sequence[str] | None = None,
    fps: float = 30.0,
    short_side: int = 320,
    quality: int = 3,
    num_threads: int | None = None,
    on_error: OnError = "raise",
    max_errors: int = 100,
    verbose: bool = True,
) -> VideoList:
    """Writes the videos of TensorFlow Datasets as `write_video_records` does.

    Records can be read in a new random order in each epoch, and only the span of a clip
    is read. TensorFlow Datasets streams whole videos in their stored order.

    Args:
        source, split: A builder with a `tfds.features.Video` feature and its split, or
            a `tf.data.Dataset` of videos whose order is the same in every iteration; as
            in `video_dataset_from_tfds`.
        directory: As in `write_video_records`.
        video_key: Name of the feature with the video. Defaults to `"video"`.
        label_key: Name of the feature with the class, or `None` for no labels. Defaults
            to `"label"`.
        class_names: Names of the classes. Defaults to those of the builder.
        fps: Frames per second, which are not stored with the videos. Defaults to `30`.
        short_side, quality, num_threads: As in `write_video_records`.
        on_error, max_errors, verbose: As in `write_video_records`.

    Returns:
        The list of the written files with the labels.

    Raises:
        ValueError: If an argument has an invalid value, or as in `write_video_records`.
        VideoError: If a video cannot be read and `on_error` does not leave it out.

    Example:

    >>> videos = write_tfds_records(builder, "records", "train")  # doctest: +SKIP
    >>> train = video_dataset_from_list(
    ...     videos, open_video=RecordReader
    ... )  # doctest: +SKIP
    """
    check_positive_number("fps", fps)
    stream = video_stream(source, split, video_key, label_key, class_names)
    writer = RecordWriter(
        directory, short_side, quality, FailurePolicy(on_error, max_errors)
    )
    labels: list[int] = []

    def jobs() -> Iterator[RecordJob]:
        for index, (pictures, *label) in enumerate(stream.dataset.as_numpy_iterator()):
            labels.extend(map(int, label))
            yield _stream_job(index, f"{stream.name}/{index}", pictures, fps)

    total = int(stream.dataset.cardinality())
    if total == _INFINITE:
        raise ValueError(
            "`source` must have an end. Received: a dataset that repeats forever"
        )
    is_written = writer.write(jobs(), total, num_threads, verbose)
    videos = VideoList(
        tuple(writer.path(index) for index in range(len(is_written))),
        None if label_key is None else tuple(labels),
        stream.class_names,
    )
    return videos.select(np.flatnonzero(is_written))


def _stream_job(index: int, name: str, pictures: Any, fps: float) -> RecordJob:
    # A stream may have a different order next time, with the same names.
    checksum = zlib.crc32(pictures[0]) if len(pictures) else 0
    return RecordJob(
        index,
        f"{name} {checksum:08x}",
        lambda: PicturesReader(name, pictures, fps),
    )
