"""Writes videos as TFRecords, out of files or out of TensorFlow Datasets."""

import os
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np

from keras_nonlocal.data import files
from keras_nonlocal.data.arguments import (
    check_positive_integer,
    check_positive_number,
)
from keras_nonlocal.data.decoding import PyAVReader
from keras_nonlocal.data.failures import FailurePolicy, OnError
from keras_nonlocal.data.frames import PicturesReader
from keras_nonlocal.data.jpeg_encoding import WORST_QUALITY, encoded_frames
from keras_nonlocal.data.readers import (
    OpenVideo,
    TimelineChangedError,
    VideoError,
    VideoReader,
)
from keras_nonlocal.data.records import Origin, RecordReader, write_record_file
from keras_nonlocal.data.sources import VideoList
from keras_nonlocal.data.streams import video_stream

_INFINITE = -1  # tf.data.INFINITE_CARDINALITY

# What a file is written from: the name of the video, and what opens it.
_Job = tuple[str, Callable[[], AbstractContextManager[VideoReader]]]


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
) -> VideoList:
    """Writes every video as a TFRecord file of its frames as JPEGs.

    Read them with `open_video=keras_nonlocal.data.RecordReader`. Files that are there
    already stay as they are: an interrupted call is repeated to go on. Those of video
    files that changed their size or time of modification since are written again.

    JPEG loses a little. At the default quality, pixels of detailed pictures differ from
    those of the video by 3 of 255 levels in the mean, smooth ones by less; at
    `quality=2` by 2.5, at `quality=6` by 4, with half the bytes.

    Args:
        videos: The videos.
        directory: Where to write `000000.tfrecord` and so on, in the order of `videos`;
            a path with a scheme (`gs://…`) is written by `tf.io.gfile`.
        short_side: Length to which the shorter side of larger pictures is scaled, in
            pixels; smaller ones stay as they are. Defaults to `320`.
        quality: Quantiser of the JPEG encoder: 2 is the best, 31 the worst. Defaults to
            `3`.
        num_threads: Videos that are written at a time. Defaults to the number of
            processor cores.
        on_error, max_errors: What happens to a video that cannot be read, as in
            `video_dataset_from_directory`. Defaults to raising.
        open_video: Opens a path. Defaults to `keras_nonlocal.data.PyAVReader`.
        verbose: Whether to show a progress bar. Defaults to `True`.

    Returns:
        The list of the written files, with the labels and segments of `videos`.

    Raises:
        ValueError: If the directory holds records of other videos, or of the same with
            another `short_side` or `quality`.
        VideoError: If a video cannot be read, unless `on_error` says otherwise.
    """
    writer = _Writer(
        directory, short_side, quality, FailurePolicy(on_error, max_errors)
    )

    def job(path: str) -> _Job:
        return path, lambda: open_video(path)

    total = len(videos.paths)
    is_written = writer.write(map(job, videos.paths), total, num_threads, verbose)
    paths = tuple(writer.path(index) for index in range(total))
    return replace(videos, paths=paths).select(np.flatnonzero(is_written))


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

    Records are read at random, in a new order in each epoch, of which only the span of
    a clip is read; TensorFlow Datasets streams whole videos in the order in which they
    are stored.

    Args:
        source, split: A builder with a `tfds.features.Video` feature and the part of
            it, or a `tf.data.Dataset` of videos that has the same order whenever it is
            iterated over; as in `video_dataset_from_tfds`.
        directory: As in `write_video_records`.
        video_key: Name of the feature with the video. Defaults to `"video"`.
        label_key: Name of the feature with the class; `None`: no labels. Defaults to
            `"label"`.
        class_names: Names of the classes. Defaults to those of the builder.
        fps: Frames per second, as the stored videos do not tell. Defaults to `30`.
        short_side, quality, num_threads: As in `write_video_records`.
        on_error, max_errors, verbose: As in `write_video_records`.

    Returns:
        The list of the written files with the labels.

    Raises:
        ValueError: If an argument does not fit, or as in `write_video_records`.
        VideoError: If a video cannot be read, unless `on_error` says otherwise.

    Example:

    >>> videos = write_tfds_records(builder, "records", "train")  # doctest: +SKIP
    >>> train = video_dataset_from_list(
    ...     videos, open_video=RecordReader
    ... )  # doctest: +SKIP
    """
    check_positive_number("fps", fps)
    stream = video_stream(source, split, video_key, label_key, class_names)
    writer = _Writer(
        directory, short_side, quality, FailurePolicy(on_error, max_errors)
    )
    labels: list[int] = []

    def jobs() -> Iterator[_Job]:
        for index, (pictures, *label) in enumerate(stream.dataset.as_numpy_iterator()):
            labels.extend(map(int, label))
            yield _job(f"{stream.name}/{index}", pictures, fps)

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


def _job(name: str, pictures: Any, fps: float) -> _Job:
    # A stream may come in another order next time, under the same names.
    checksum = zlib.crc32(pictures[0]) if len(pictures) else 0
    return f"{name} {checksum:08x}", lambda: PicturesReader(name, pictures, fps)


class _Writer:
    """Writes videos to the numbered files of a directory.

    Args:
        directory: Where to write.
        short_side: Length to which the shorter side is shrunk, in pixels.
        quality: Quantiser of the JPEG encoder.
        failures: What happens to a video that cannot be read.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        short_side: int,
        quality: int,
        failures: FailurePolicy,
    ) -> None:
        check_positive_integer("short_side", short_side)
        check_positive_integer("quality", quality)
        if quality > WORST_QUALITY:
            raise ValueError(
                f"`quality` must be at most {WORST_QUALITY}. "
                f"Received: quality={quality!r}"
            )
        self._folder = os.fspath(directory)
        self._short_side = short_side
        self._quality = quality
        self._failures = failures

    def path(self, index: int) -> str:
        """Returns the file of a video."""
        return os.path.join(self._folder, f"{index:06d}.tfrecord")

    def write(
        self, jobs: Iterable[_Job], total: int, num_threads: int | None, verbose: bool
    ) -> list[bool]:
        """Writes the videos and returns for each whether it could be read.

        Args:
            jobs: The videos.
            total: Their number; negative if it is not known.
            num_threads: Videos at a time; `None`: the number of processor cores.
            verbose: Whether to show a progress bar.
        """
        # Keras takes seconds to import.
        from keras.utils import Progbar

        if num_threads is not None:
            check_positive_integer("num_threads", num_threads)
        files.make_directory(self._folder)
        bar = Progbar(total if total >= 0 else None, verbose=int(verbose))
        is_written = []
        results = _in_parallel(
            self._write, enumerate(jobs), num_threads or os.cpu_count() or 1
        )
        for result in results:
            is_written.append(result)
            bar.update(len(is_written))
        self._failures.report("when the records were written")
        return is_written

    def _write(self, index: int, job: _Job) -> bool:
        source, open_video = job
        origin = Origin(source, self._short_side, self._quality, files.state(source))
        target = self.path(index)
        if self._is_there(target, origin):
            return True
        try:
            with open_video() as video:
                try:
                    pictures = self._pictures(video)
                except TimelineChangedError:
                    pictures = self._pictures(video)
                times = video.times
        except VideoError as error:
            self._failures.handle(error, index)
            return False
        write_record_file(target, times, pictures, origin)
        return True

    def _pictures(self, video: VideoReader) -> list[bytes]:
        return [*encoded_frames(video, self._short_side, self._quality)]

    def _is_there(self, target: str, origin: Origin) -> bool:
        if not files.exists(target):
            return False
        try:
            with RecordReader(target) as record:
                found = record.origin
        except VideoError:
            return False
        if found != origin:
            raise ValueError(
                f"`directory` must hold no records but those of the same videos, for "
                f"this is to be {origin}. Received: {target!r}, which is {found}"
            )
        return not found.is_outdated(origin)


def _in_parallel(
    function: Callable[..., bool], items: Iterable[tuple], num_threads: int
) -> Iterator[bool]:
    """Yields the results in order; no more items are taken than threads need."""
    with ThreadPoolExecutor(num_threads) as pool:
        waiting: deque[Future[bool]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, *item))
                if len(waiting) > 2 * num_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
