"""Videos as TFRecords of JPEG pictures, which are read faster than video files.

A file holds one video: the first record is a `tf.train.Example` with the time of each
picture in `microseconds`, its length in bytes (`lengths`) and its CRC-32 (`checksums`);
each picture is a further record.
"""

import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from typing import Any

import keras
import numpy as np

from keras_nonlocal.data import files
from keras_nonlocal.data._requirements import import_av, import_tensorflow
from keras_nonlocal.data.arguments import check_positive_integer
from keras_nonlocal.data.decoding import PyAVReader
from keras_nonlocal.data.failures import FailurePolicy, OnError
from keras_nonlocal.data.frames import PictureReader
from keras_nonlocal.data.readers import OpenVideo, VideoError, VideoReader
from keras_nonlocal.data.sources import VideoList
from keras_nonlocal.data.transforms import Framing

# A record is its length in 8 bytes, 4 bytes of checksum, the content and 4 more.
_LENGTH_BYTES, _BEFORE, _AFTER = 8, 12, 4
_BATCH = 32


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
    """Writes every video as a TFRecord file of its scaled frames.

    Files that are there already stay as they are: an interrupted call is repeated to go
    on. Read them with `open_video=keras_nonlocal.data.RecordReader`.

    Args:
        videos: The videos.
        directory: Where to write `000000.tfrecord` and so on, in the order of `videos`;
            a path with a scheme (`gs://…`) is written by `tf.io.gfile`.
        short_side: Length to which the shorter side of the pictures is scaled, in
            pixels. Defaults to `320`.
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
    """
    check_positive_integer("short_side", short_side)
    check_positive_integer("quality", quality)
    failures = FailurePolicy(on_error, max_errors)
    folder = os.fspath(directory)
    files.make_directory(folder)

    def write(index: int) -> bool:
        target = _record_path(folder, index)
        try:
            if not files.exists(target):
                _write(videos.paths[index], target, short_side, quality, open_video)
        except VideoError as error:
            failures.handle(error)
            return False
        return True

    bar = keras.utils.Progbar(len(videos.paths), verbose=int(verbose))
    is_written = []
    with ThreadPoolExecutor(num_threads or os.cpu_count()) as pool:
        for index, result in enumerate(pool.map(write, range(len(videos.paths)))):
            is_written.append(result)
            bar.update(index + 1)
    failures.report()
    paths = tuple(_record_path(folder, index) for index in range(len(videos.paths)))
    return replace(videos, paths=paths).select(np.flatnonzero(is_written))


class RecordReader(PictureReader):
    """Random access to the frames of a file of `write_video_records`.

    Args:
        path: The file; a path with a scheme (`gs://…`) is read by `tf.io.gfile`.

    Raises:
        VideoError: If it is no such file or incomplete.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        try:
            self._file = files.open_bytes(path)
        except OSError as error:
            raise VideoError(path, error.strerror or str(error)) from None
        try:
            self._read_index()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Releases the file and the decoders."""
        super().close()
        self._file.close()

    @property
    def times(self) -> np.ndarray:
        """Presentation times in seconds, ascending, shape `(frames_in_video,)`."""
        return self._times

    def _read_index(self) -> None:
        tf = import_tensorflow()
        length = int.from_bytes(self._file.read(_LENGTH_BYTES), "little")
        size = self._file.seek(0, os.SEEK_END)
        if not 0 < length < size:
            raise VideoError(self._path, "it was not written by write_video_records")
        self._file.seek(_BEFORE)
        try:
            index = tf.train.Example.FromString(self._file.read(length))
        except Exception as error:
            raise VideoError(self._path, f"its index is damaged ({error})") from None
        features = index.features.feature
        self._times = np.array(features["microseconds"].int64_list.value) / 1e6
        self._lengths = np.array(features["lengths"].int64_list.value, np.int64)
        self._checksums = np.array(features["checksums"].int64_list.value)
        ends = _BEFORE + length + _AFTER + (self._lengths + _BEFORE + _AFTER).cumsum()
        self._starts = ends - _AFTER - self._lengths
        if not len(ends) or ends[-1] != size:
            raise VideoError(self._path, "it is incomplete")

    def _frame(self, index: int) -> Any:
        self._file.seek(self._starts[index])
        content = self._file.read(self._lengths[index])
        if zlib.crc32(content) != self._checksums[index]:
            raise VideoError(self._path, f"its picture {index} is damaged")
        return self._decoded(content, f"picture {index}")


def _record_path(folder: str, index: int) -> str:
    return os.path.join(folder, f"{index:06d}.tfrecord")


def _write(
    path: str, target: str, short_side: int, quality: int, open_video: OpenVideo
) -> None:
    tf = import_tensorflow()
    with open_video(path) as video:
        times = video.times
        pictures = [*_encoded(video, short_side, quality)]
    index = tf.train.Example()
    microseconds = np.round((times - times[0]) * 1e6).astype(np.int64)
    index.features.feature["microseconds"].int64_list.value.extend(microseconds)
    index.features.feature["lengths"].int64_list.value.extend(map(len, pictures))
    checksums = map(zlib.crc32, pictures)
    index.features.feature["checksums"].int64_list.value.extend(checksums)
    unfinished = target.removesuffix(".tfrecord") + ".unfinished"
    with tf.io.TFRecordWriter(unfinished) as writer:
        writer.write(index.SerializeToString())
        for picture in pictures:
            writer.write(picture)
    files.rename(unfinished, target)


def _encoded(video: VideoReader, short_side: int, quality: int) -> Iterator[bytes]:
    """Yields JPEGs of all frames."""
    av = import_av()
    encoder = None
    for first in range(0, len(video.times), _BATCH):
        indices = np.arange(first, min(first + _BATCH, len(video.times)))
        for picture in video.read(indices, Framing(short_side, None))[:, 0]:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture))
            if encoder is None:
                encoder = av.CodecContext.create("mjpeg", "w")
                encoder.height, encoder.width = picture.shape[:2]
                encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1, 25)
                encoder.qmin = encoder.qmax = quality
                encoder.thread_count = 1
            frame = frame.reformat(format="yuvj420p", dst_color_range="JPEG", threads=1)
            frame.pts = None
            yield b"".join(bytes(packet) for packet in encoder.encode(frame))
