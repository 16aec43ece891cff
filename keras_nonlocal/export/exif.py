"""`keras_nonlocal.data.readers.exif` in a TensorFlow graph."""

import tensorflow as tf

from keras_nonlocal.data.readers.exif import (
    BYTE_ORDERS,
    INTEGER_TYPES,
    ORIENTATION_TAG,
    TYPE_SIZES,
)
from keras_nonlocal.tensors import Tensor

_ENTRY_SIZE = 12
_INLINE_SIZE = 4
_UPRIGHT = 1
_LOW = [1, 256, 65536, 16777216]


def exif_orientation(exif: Tensor) -> Tensor:
    """Returns the orientation in EXIF data, from 1 to 8.

    Args:
        exif: The bytes of a TIFF file, `(size,)`, of any integer dtype.
    """
    exif = tf.cast(exif, tf.int64)
    size = tf.size(exif, tf.int64)
    # With padding, any offset in a damaged header can be sliced.
    padded = tf.concat([exif, tf.zeros(_ENTRY_SIZE, tf.int64)], 0)
    is_little = padded[0] == ord("I")
    head = tf.constant([[*head] for head in BYTE_ORDERS], tf.int64)
    is_known = tf.reduce_any(tf.reduce_all(head == padded[:4], 1))
    directory = _number(padded[4:8], is_little)
    is_valid = is_known & (size >= 8) & (directory + 2 <= size)
    directory = tf.where(is_valid, directory, 0)
    count = tf.ensure_shape(padded[directory : directory + 2], (2,))
    count = _number(count, is_little)
    entries = exif[directory + 2 :][: count * _ENTRY_SIZE]
    whole = tf.size(entries) // _ENTRY_SIZE * _ENTRY_SIZE
    entries = tf.reshape(entries[:whole], (-1, _ENTRY_SIZE))
    return tf.where(is_valid, _orientation_of_entries(padded, entries, is_little), 1)


def _orientation_of_entries(
    padded: Tensor, entries: Tensor, is_little: Tensor
) -> Tensor:
    """Returns the first valid entry, unless an earlier one points beyond the end."""
    limit = tf.size(padded, tf.int64) - _ENTRY_SIZE
    kind = _number(entries[:, 2:4], is_little)
    size_of_type = [TYPE_SIZES.get(kind, 0) for kind in range(max(TYPE_SIZES) + 1)]
    is_known = (kind > 0) & (kind < len(size_of_type))
    value_size = tf.gather(
        tf.constant(size_of_type, tf.int64), tf.where(is_known, kind, 0)
    )
    sizes = _number(entries[:, 4:8], is_little) * value_size
    places = _number(entries[:, 8:12], is_little)
    tags = _number(entries[:, :2], is_little)
    sizes = tf.where(_is_repeated(tags, sizes > 0), tf.zeros_like(sizes), sizes)
    is_elsewhere = sizes > _INLINE_SIZE
    announced = tf.cumsum(tf.where(is_elsewhere, sizes, 0))
    is_read = (sizes > 0) & (~is_elsewhere | (announced <= limit))
    is_beyond = is_elsewhere & is_read & (places + sizes > limit)
    is_before = tf.cumsum(tf.cast(is_beyond, tf.int64)) == 0
    found = tf.where((tags == ORIENTATION_TAG) & is_read & is_before)[:1, 0]
    values = tf.map_fn(
        lambda row: _value(
            tf.cond(
                is_elsewhere[row],
                lambda: padded[places[row] : places[row] + _INLINE_SIZE],
                lambda: entries[row, 8:12],
            ),
            kind[row],
            value_size[row],
            is_little,
        ),
        found,
    )
    value = tf.concat([values, [_UPRIGHT]], 0)[0]
    return tf.cast(tf.where((value >= 1) & (value <= 8), value, _UPRIGHT), tf.int32)


def _is_repeated(tags: Tensor, is_valid: Tensor) -> Tensor:
    """Returns whether an earlier valid entry has the same tag."""
    rows = tf.range(tf.size(tags, tf.int64))
    unique = tf.unique(tf.where(is_valid, tags, -1 - rows)).idx
    first = tf.math.unsorted_segment_min(rows, unique, tf.size(unique))
    return rows > tf.gather(first, unique)


def _value(content: Tensor, kind: Tensor, size: Tensor, is_little: Tensor) -> Tensor:
    """Returns the first number of an entry, or 1 (upright) if it is not an integer."""
    content = tf.ensure_shape(content, (_INLINE_SIZE,))
    # No orientation is negative, so signed numbers can be read as unsigned ones.
    numbers = [_number(content[:length], is_little) for length in (1, 2, _INLINE_SIZE)]
    value = tf.where(size == 1, numbers[0], tf.where(size == 2, *numbers[1:]))
    return tf.where(tf.reduce_any(kind == [*INTEGER_TYPES]), value, _UPRIGHT)


def _number(content: Tensor, is_little: Tensor) -> Tensor:
    """Reads unsigned numbers whose bytes are along the last axis."""
    low = tf.constant(_LOW[: content.shape[-1]], tf.int64)
    return tf.reduce_sum(content * tf.where(is_little, low, low[::-1]), -1)
