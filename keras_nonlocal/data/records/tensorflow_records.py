"""Reads record files in operations of TensorFlow, without Python for each of them.

A damaged file raises an error of TensorFlow. `RecordReader` is the reference, and tells
what is wrong with it.
"""

from typing import Any, NamedTuple

from keras_nonlocal.optional_packages import import_tensorflow

# A record has 12 bytes before its content and 4 after it.
_FRAMING_BYTES = 16
# Most indices are smaller, and others take several reads.
_INDEX_BYTES = 2**14


class StoredTimes(NamedTuple):
    """The index of a record file.

    Args:
        is_read: Whether the file is complete and its index undamaged.
        microseconds: Presentation times, `int64`, shape `(frames_in_video,)`.
    """

    is_read: Any
    microseconds: Any


def stored_times(path: Any) -> StoredTimes:
    """Returns the times of the pictures in a file.

    Args:
        path: The file, a scalar `string` tensor.
    """
    tf = import_tensorflow()

    def read(path: Any) -> StoredTimes:
        records = tf.data.TFRecordDataset(path, buffer_size=_INDEX_BYTES)
        index = records.take(1).get_single_element()
        numbers = tf.io.VarLenFeature(tf.int64)
        names = ("microseconds", "lengths", "checksums")
        features = tf.io.parse_single_example(index, dict.fromkeys(names, numbers))
        times, lengths, checksums = (features[name].values for name in names)
        count = tf.size(times)
        agree = tf.reduce_all(tf.size(lengths) == [count, tf.size(checksums)])
        ascend = tf.reduce_all(times[1:] >= times[:-1])
        framing = tf.cast(_FRAMING_BYTES * (count + 1), tf.int64)
        num_bytes = tf.cast(tf.strings.length(index, "BYTE"), tf.int64) + framing
        is_complete = _has_size(path, num_bytes + tf.reduce_sum(lengths))
        return StoredTimes((count > 0) & agree & ascend & is_complete, times)

    nothing = StoredTimes(tf.constant(False), tf.zeros([0], tf.int64))
    one = tf.data.Dataset.from_tensors(path)
    found = one.map(read).ignore_errors()
    found = found.concatenate(tf.data.Dataset.from_tensors(nothing))
    return StoredTimes(*found.take(1).get_single_element())


def _has_size(path: Any, num_bytes: Any) -> Any:
    """Whether a file has exactly a number of bytes."""
    tf = import_tensorflow()
    # No other operation tells the size of a file.
    last = tf.data.FixedLengthRecordDataset(path, 1, header_bytes=num_bytes - 1)
    return tf.shape(last.batch(2).get_single_element())[0] == 1


def stored_pictures(path: Any, frames: Any) -> Any:
    """Returns the JPEGs of frames.

    The reader verifies the checksum of each.

    Args:
        path: The file, a scalar `string` tensor.
        frames: Indices of the frames, `int64`, of any shape.

    Returns:
        `string`, the shape of `frames`.
    """
    tf = import_tensorflow()
    first, last = tf.reduce_min(frames), tf.reduce_max(frames)
    count = last - first + 1
    # The first record is the index.
    span = tf.data.TFRecordDataset(path).skip(1 + first).take(count)
    contents = span.batch(count).get_single_element()
    return tf.gather(contents, frames - first)
