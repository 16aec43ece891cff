"""TFRecord files of JPEG pictures, which are faster to read than video files.

A file holds one video. The first record is a `tf.train.Example`. For each picture, it
has the time in `microseconds`, the length in bytes (`lengths`) and the CRC-32
(`checksums`). It also has the origin of the pictures: `source`, `short_side`, `quality`
and, for files, size and modification time as `source_state`. The CRC-32 of all these
values is `index_checksum`, which files of earlier versions do not have. Each picture is
a further record.
"""

import errno
import itertools
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np

from keras_nonlocal import files
from keras_nonlocal.data.readers.stored_frames import PictureReader, StoredFrame
from keras_nonlocal.data.readers.video_reader import VideoError
from keras_nonlocal.optional_packages import import_tensorflow

_NUMBERS = (
    "microseconds",
    "lengths",
    "checksums",
    "short_side",
    "quality",
    "source_state",
)
_INDEX_CHECKSUM = "index_checksum"
_FEATURES = frozenset((*_NUMBERS, "source", _INDEX_CHECKSUM))

# A record has its length in 8 bytes, a 4-byte checksum, the content and a 4-byte
# checksum.
_LENGTH_BYTES, _BEFORE, _AFTER = 8, 12, 4


@dataclass(frozen=True)
class Origin:
    """The origin of a file's pictures.

    Args:
        source: Name of the video.
        short_side: Maximum length of the shorter side, in pixels.
        quality: Quantizer of the JPEG encoder.
        state: Size in bytes and modification time in ns of the video, or `None` if
            unknown.
    """

    source: str
    short_side: int
    quality: int
    state: tuple[int, ...] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        how = f"short_side={self.short_side} and quality={self.quality}"
        return f"the video {self.source!r} with {how}"

    def is_outdated(self, now: "Origin") -> bool:
        """Whether the video has changed since."""
        return None not in (self.state, now.state) and self.state != now.state


def write_record_file(
    path: str, times: np.ndarray, pictures: Iterable[bytes], origin: Origin
) -> None:
    """Writes a file atomically.

    The index precedes the pictures and contains their lengths, so the pictures are kept
    on disk until the last one is known.

    Args:
        path: The file. A path with a scheme (`gs://…`) is written by `tf.io.gfile`.
        times: Presentation times in seconds, shape `(frames_in_video,)`.
        pictures: The JPEGs, one per time.
        origin: Origin of the pictures.

    Raises:
        OSError: If the file cannot be written.
        VideoError: If the numbers of pictures and times differ.
    """
    with (
        files.replacing(path) as unfinished,
        _errors_of(path),
        tempfile.TemporaryFile(dir=unfinished.parent) as waiting,
    ):
        lengths, checksums = _spool(pictures, waiting)
        if len(lengths) != len(times):
            reason = f"it has {len(lengths)} frames, not {len(times)}"
            raise VideoError(origin.source, reason)
        index = _index(times, lengths, checksums, origin)
        waiting.seek(0)
        contents = (waiting.read(length) for length in lengths)
        _write_records(str(unfinished), [index], contents)


@contextmanager
def _errors_of(path: str) -> Iterator[None]:
    """Makes errors name the target instead of the temporary file."""
    try:
        yield
    except OSError as error:
        error.filename = path
        raise


def _spool(
    pictures: Iterable[bytes], waiting: IO[bytes]
) -> tuple[list[int], list[int]]:
    lengths, checksums = [], []
    for picture in pictures:
        waiting.write(picture)
        lengths.append(len(picture))
        checksums.append(zlib.crc32(picture))
    waiting.flush()
    return lengths, checksums


def _index(
    times: np.ndarray, lengths: list[int], checksums: list[int], origin: Origin
) -> bytes:
    index = import_tensorflow().train.Example()
    features = index.features.feature
    microseconds = np.round(times * 1e6).astype(np.int64)
    features["microseconds"].int64_list.value.extend(microseconds)
    features["lengths"].int64_list.value.extend(lengths)
    features["checksums"].int64_list.value.extend(checksums)
    features["source"].bytes_list.value.append(os.fsencode(origin.source))
    features["short_side"].int64_list.value.append(origin.short_side)
    features["quality"].int64_list.value.append(origin.quality)
    features["source_state"].int64_list.value.extend(origin.state or ())
    features[_INDEX_CHECKSUM].int64_list.value.append(_index_checksum(features))
    # Otherwise, the order of the features differs from process to process.
    content: bytes = index.SerializeToString(deterministic=True)
    return content


def _index_checksum(features: Any) -> int:
    """Returns the CRC-32 of an index, except for `index_checksum` itself."""
    checksum = zlib.crc32(b"".join(features["source"].bytes_list.value))
    for name in _NUMBERS:
        # The count separates the values from those of the next feature.
        values = features[name].int64_list.value
        numbers = np.array([len(values), *values], "<i8")
        checksum = zlib.crc32(numbers.tobytes(), checksum)
    return checksum


def _is_damaged(features: Any) -> bool:
    """Whether the values of an index are not those that were written."""
    if not _FEATURES.issuperset(features):
        return True
    stored = [*features[_INDEX_CHECKSUM].int64_list.value]
    return bool(stored) and stored != [_index_checksum(features)]


def _write_records(path: str, *parts: Iterable[bytes]) -> None:
    tf = import_tensorflow()
    try:
        with tf.io.TFRecordWriter(path) as writer:
            for record in itertools.chain(*parts):
                writer.write(record)
    except tf.errors.OpError as error:
        is_full = "No space left" in error.message
        code = errno.ENOSPC if is_full else errno.EIO
        raise OSError(code, os.strerror(code) if is_full else error.message) from None


class RecordReader(PictureReader):
    """Random access to the frames of a file of `write_video_records`.

    With `open_video=RecordReader`, the datasets of `tf.data` choose the same frames and
    crops as this reader. If a video has 16 or more of them, close together, they are
    decoded in operations of TensorFlow, on all threads. Their pixels are exact up to
    rounding, whereas FFmpeg, which this reader uses, rounds colors and positions more
    coarsely.

    Args:
        path: The file. A path with a scheme (`gs://…`) is read by `tf.io.gfile`.

    Raises:
        VideoError: If the file is incomplete or not of this kind.
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
        """Origin of the pictures."""
        (source,) = self._features["source"].bytes_list.value
        (short_side,) = self._features["short_side"].int64_list.value
        (quality,) = self._features["quality"].int64_list.value
        # Missing in records of earlier versions and for sources that are not files.
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
        if _is_damaged(features):
            raise VideoError(self._path, "its index is damaged")
        self._times = np.array(features["microseconds"].int64_list.value) / 1e6
        self._lengths = np.array(features["lengths"].int64_list.value, np.int64)
        self._checksums = np.array(features["checksums"].int64_list.value)
        ends = _BEFORE + length + _AFTER + (self._lengths + _BEFORE + _AFTER).cumsum()
        self._starts = ends - _AFTER - self._lengths
        if not len(ends) or ends[-1] != size:
            raise VideoError(self._path, "it is incomplete")
        counts = {len(self._times), len(self._lengths), len(self._checksums)}
        if len(counts) > 1 or (np.diff(self._times) < 0).any():
            raise VideoError(self._path, "its index is damaged")

    def _frame(self, index: int) -> StoredFrame:
        self._file.seek(self._starts[index])
        content = self._file.read(self._lengths[index])
        if zlib.crc32(content) != self._checksums[index]:
            raise VideoError(self._path, f"its picture {index} is damaged")
        return self._decoded(content, f"picture {index}")
