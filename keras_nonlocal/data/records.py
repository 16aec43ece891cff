"""Videos as TFRecords of JPEG pictures, which are read faster than video files.

A file holds one video: the first record is a `tf.train.Example` with the time of each
picture in `microseconds`, its length in bytes (`lengths`) and its CRC-32 (`checksums`),
and where the pictures come from (`source`, `short_side`, `quality`, and of a file its
size and time of modification as `source_state`); each picture is a further record.
"""

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_nonlocal.data import files
from keras_nonlocal.data._requirements import import_tensorflow
from keras_nonlocal.data.frames import PictureReader
from keras_nonlocal.data.readers import VideoError

# A record is its length in 8 bytes, 4 bytes of checksum, the content and 4 more.
_LENGTH_BYTES, _BEFORE, _AFTER = 8, 12, 4


@dataclass(frozen=True)
class Origin:
    """Where the pictures of a file come from.

    Args:
        source: Name of the video.
        short_side: Length of the shorter side to which it was shrunk, in pixels.
        quality: Quantiser of the JPEG encoder.
        state: Size in bytes and time of modification in ns of the video; `None`: not
            known.
    """

    source: str
    short_side: int
    quality: int
    state: tuple[int, ...] | None = field(default=None, compare=False, repr=False)

    def is_outdated(self, now: "Origin") -> bool:
        """Whether the video became another one since."""
        return None not in (self.state, now.state) and self.state != now.state


def write_record_file(
    path: str, times: np.ndarray, pictures: Sequence[bytes], origin: Origin
) -> None:
    """Writes a file that is there as a whole or not at all.

    Args:
        path: The file; a path with a scheme (`gs://…`) is written by `tf.io.gfile`.
        times: Presentation times in seconds, shape `(frames_in_video,)`.
        pictures: The JPEGs.
        origin: Where they come from.
    """
    tf = import_tensorflow()
    index = tf.train.Example()
    features = index.features.feature
    microseconds = np.round(times * 1e6).astype(np.int64)
    features["microseconds"].int64_list.value.extend(microseconds)
    features["lengths"].int64_list.value.extend(map(len, pictures))
    features["checksums"].int64_list.value.extend(map(zlib.crc32, pictures))
    features["source"].bytes_list.value.append(os.fsencode(origin.source))
    features["short_side"].int64_list.value.append(origin.short_side)
    features["quality"].int64_list.value.append(origin.quality)
    features["source_state"].int64_list.value.extend(origin.state or ())
    unfinished = path + ".unfinished"
    with tf.io.TFRecordWriter(unfinished) as writer:
        writer.write(index.SerializeToString())
        for picture in pictures:
            writer.write(picture)
    files.rename(unfinished, path)


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

    @property
    def origin(self) -> Origin:
        """Where the pictures come from."""
        (source,) = self._features["source"].bytes_list.value
        (short_side,) = self._features["short_side"].int64_list.value
        (quality,) = self._features["quality"].int64_list.value
        # Not in records of former versions, nor of what is no file.
        state = tuple(self._features["source_state"].int64_list.value)
        return Origin(os.fsdecode(source), short_side, quality, state or None)

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
        self._features = features = index.features.feature
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
