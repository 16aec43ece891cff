"""Reads record files in operations of TensorFlow, without Python for each of them.

What cannot be read is left to `RecordReader`, which tells what is wrong with it. A
dataset with a function of its own would be compiled again for each file, so there is
none here.
"""

from typing import Any, NamedTuple

from keras_nonlocal.data.readers.picture_bytes import JPEG_START
from keras_nonlocal.optional_packages import import_tensorflow

# A record has 12 bytes before its content and 4 after it.
_FRAMING_BYTES = 16
# Most indices are smaller, and others take several reads.
_INDEX_BYTES = 2**14
_SPAN_BYTES = 2**18


class StoredTimes(NamedTuple):
    """The index of a record file.

    Args:
        is_read: Whether the file is complete and its index undamaged.
        microseconds: Presentation times, `int64`, shape `(frames_in_video,)`.
        starts: The byte at which the record of each frame begins, `int64`, of the same
            shape.
    """

    is_read: Any
    microseconds: Any
    starts: Any


def stored_times(path: Any) -> StoredTimes:
    """Returns the times of the pictures in a file.

    Args:
        path: The file, a scalar `string` tensor.
    """
    tf = import_tensorflow()
    index = _records(path, 0, _INDEX_BYTES, 1)
    is_there = tf.size(index) == 1
    return tf.cond(is_there, lambda: _parsed_index(path, index[0]), lambda: _no_times())


def _no_times() -> StoredTimes:
    tf = import_tensorflow()
    numbers = tf.zeros([0], tf.int64)
    return StoredTimes(tf.constant(False), numbers, numbers)


def _parsed_index(path: Any, index: Any) -> StoredTimes:
    tf = import_tensorflow()
    numbers = tf.io.VarLenFeature(tf.int64)
    names = ("microseconds", "lengths", "checksums")
    features = tf.io.parse_single_example(index, dict.fromkeys(names, numbers))
    times, lengths, checksums = (features[name].values for name in names)
    count = tf.size(times)
    agree = tf.reduce_all(tf.size(lengths) == [count, tf.size(checksums)])
    ascend = tf.reduce_all(times[1:] >= times[:-1])
    first = tf.cast(tf.strings.length(index, "BYTE"), tf.int64) + _FRAMING_BYTES
    sizes = lengths + _FRAMING_BYTES
    starts = first + tf.cumsum(sizes, exclusive=True)
    has_size = _has_size(path, first + tf.reduce_sum(sizes))
    # Some file of another kind may have negative lengths.
    is_read = (count > 0) & agree & ascend & tf.reduce_all(lengths > 0) & has_size
    return tf.cond(
        is_read, lambda: StoredTimes(is_read, times, starts), lambda: _no_times()
    )


def _records(path: Any, start: Any, buffer_bytes: int, count: Any) -> Any:
    """Returns records from a byte of a file on, fewer if they cannot be read."""
    tf = import_tensorflow()
    records = tf.raw_ops.TFRecordDatasetV2(
        filenames=path[None],
        compression_type="",
        buffer_size=buffer_bytes,
        byte_offsets=tf.reshape(tf.cast(start, tf.int64), [1]),
    )
    spec = tf.TensorSpec((), tf.string)
    return _readable(tf.data.experimental.from_variant(records, spec), count)


def _has_size(path: Any, num_bytes: Any) -> Any:
    """Whether a file has exactly a number of bytes."""
    tf = import_tensorflow()
    # No other operation tells the size of a file.
    header = tf.maximum(num_bytes - 1, 0)
    last = tf.data.FixedLengthRecordDataset(path, 1, header_bytes=header)
    return tf.size(_readable(last, 2)) == 1


def _readable(records: Any, most: Any) -> Any:
    """Returns the first strings of a dataset without those that fail."""
    tf = import_tensorflow()
    # A file that cannot be opened fails again and again: attempts are counted.
    attempts = tf.data.Dataset.range(tf.cast(most, tf.int64))
    read = tf.data.Dataset.zip(attempts, records).ignore_errors()
    nothing = (tf.zeros([0], tf.int64), tf.zeros([0], tf.string))
    batch = read.batch(tf.cast(most, tf.int64)).concatenate(
        tf.data.Dataset.from_tensors(nothing)
    )
    return batch.take(1).get_single_element()[1]


def stored_pictures(path: Any, frames: Any, start: Any) -> Any:
    """Returns the JPEGs of frames, which are read with all between them.

    The checksum of each is verified.

    Args:
        path: The file, a scalar `string` tensor.
        frames: Indices of the frames, `int64`, of any shape.
        start: The byte at which the record of the first of these frames begins.

    Returns:
        Whether all of them can be read and are JPEGs, and the JPEGs, `string`, in the
        shape of `frames`.
    """
    tf = import_tensorflow()
    first, last = tf.reduce_min(frames), tf.reduce_max(frames)
    count = last - first + 1
    contents = _records(path, start, _SPAN_BYTES, count)
    is_jpeg = tf.strings.substr(contents, 0, len(JPEG_START)) == JPEG_START
    are_read = (tf.size(contents, tf.int64) == count) & tf.reduce_all(is_jpeg)
    return are_read, tf.cond(
        are_read,
        lambda: tf.gather(contents, frames - first),
        lambda: tf.fill(tf.shape(frames), ""),
    )
