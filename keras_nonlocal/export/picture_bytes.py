"""`keras_nonlocal.data.readers.picture_bytes` in a TensorFlow graph."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from keras_nonlocal.data.readers.picture_bytes import (
    APP1,
    BYTES_PER_PART,
    CHUNK_OVERHEAD,
    END,
    EXIF_SIGNATURE,
    FEW_PARTS,
    FRAMES,
    JPEG_START,
    MOST_PIXELS,
    PIXELS_PER_JPEG_BYTE,
    PNG_CHANNELS,
    PNG_COMPRESSION,
    PNG_SLACK,
    PNG_START,
    SCAN,
    STANDALONE,
    START,
)
from keras_nonlocal.export.exif import exif_orientation
from keras_nonlocal.tensors import Tensor

DAMAGED = "is damaged"
# Bytes of padding, so that reading near the end never fails.
_AHEAD = 40
_HEADER_SIZE = 13


class StoredPictures(NamedTuple):
    """The properties of pictures as stated in their bytes.

    Args:
        reasons: Why a picture cannot be decoded; empty if no problem was found.
        sizes: Stored heights and widths in pixels, `(…, 2)` int64.
        orientations: From 1 to 8, as in the EXIF standard, int32.
    """

    reasons: Tensor
    sizes: Tensor
    orientations: Tensor


class _Walk(NamedTuple):
    """The state of a walk through the segments or chunks of a picture."""

    is_on_the_way: Tensor
    is_whole: Tensor
    place: Tensor
    size: Tensor
    most_pixels: Tensor
    is_scanned: Tensor
    exif: Tensor


def stored_pictures(contents: Tensor) -> StoredPictures:
    """Finds the end, the size and the orientation of pictures.

    Args:
        contents: JPEGs, PNGs or anything else, strings `(num_pictures,)`.
    """
    facts = tf.map_fn(
        lambda content: tuple(_stored_picture(content)),
        contents,
        fn_output_signature=(
            tf.TensorSpec((), tf.string),
            tf.TensorSpec((2,), tf.int64),
            tf.TensorSpec((), tf.int32),
        ),
    )
    return StoredPictures(*facts)


def _stored_picture(content: Tensor) -> StoredPictures:
    size = tf.strings.length(content)
    is_jpeg = _starts_with(content, JPEG_START)
    is_png = _starts_with(content, PNG_START)
    data = tf.concat(
        [tf.io.decode_raw(content, tf.uint8), tf.zeros(_AHEAD, tf.uint8)], 0
    )
    walk = tf.cond(
        is_jpeg,
        lambda: _walk(_jpeg_step(data, size), len(JPEG_START) - 1, size),
        lambda: tf.cond(
            is_png,
            lambda: _walk(_png_step(data, size), len(PNG_START), size),
            lambda: _beginning(0),
        ),
    )
    reason = tf.where(
        is_jpeg | is_png,
        tf.where(walk.is_whole, _reason_of_size(walk.size, walk.most_pixels), DAMAGED),
        "is neither JPEG nor PNG",
    )
    orientation = tf.cond(
        (reason == "") & (tf.size(walk.exif) > 0),
        lambda: exif_orientation(_without_signature(walk.exif)),
        lambda: tf.constant(1),
    )
    return StoredPictures(reason, walk.size, orientation)


def _starts_with(content: Tensor, start: bytes) -> Tensor:
    return tf.strings.substr(content, 0, len(start)) == start


def _beginning(place: int) -> _Walk:
    return _Walk(
        is_on_the_way=tf.constant(True),
        is_whole=tf.constant(False),
        place=tf.constant(place),
        size=tf.zeros(2, tf.int64),
        most_pixels=tf.constant(0, tf.int64),
        is_scanned=tf.constant(False),
        exif=tf.zeros(0, tf.uint8),
    )


def _walk(step: Callable[[_Walk], _Walk], place: int, size: Tensor) -> _Walk:
    beginning = _beginning(place)
    shapes = _Walk(*(tensor.shape for tensor in beginning))
    (walk,) = tf.while_loop(
        lambda walk: walk.is_on_the_way,
        lambda walk: (step(walk),),
        (beginning,),
        shape_invariants=(shapes._replace(exif=tf.TensorShape((None,))),),
        maximum_iterations=FEW_PARTS + size // BYTES_PER_PART,
        parallel_iterations=1,
    )
    return walk


def _jpeg_step(data: Tensor, size: Tensor) -> Callable[[_Walk], _Walk]:
    """Returns a function that skips a segment and the scan before it."""
    follower = data[1:]
    is_marker = (data[:-1] == 0xFF) & (follower != 0) & (follower != 0xFF)
    is_marker &= (follower < 0xD0) | (follower > 0xD7)
    # One byte beyond the end, where the zeros are read as damage.
    markers = tf.concat([tf.where(is_marker)[:, 0], [tf.cast(size, tf.int64)]], 0)
    markers = tf.cast(markers, tf.int32)

    def step(walk: _Walk) -> _Walk:
        start = markers[tf.searchsorted(markers, walk.place[tf.newaxis])[0]]
        head = tf.cast(data[start : start + 10], tf.int64)
        kind, length = head[1], tf.cast(head[2] * 256 + head[3], tf.int32)
        end = start + 2 + length
        is_end, is_standalone = kind == END, kind == STANDALONE
        is_frame = tf.reduce_any(kind == sorted(FRAMES))
        is_first = tf.reduce_all(walk.size == 0)
        is_damaged = (kind == START) | (length < 2) | (end > size)
        is_damaged |= is_frame & (~is_first | (length < 7))
        is_damaged &= ~is_standalone
        is_damaged |= start >= size
        frame = tf.stack([head[5] * 256 + head[6], head[7] * 256 + head[8]])
        # Unlike the zeros before a frame is found.
        frame = tf.where(frame > 0, frame, -1)
        return _Walk(
            is_on_the_way=~is_end & ~is_damaged,
            is_whole=is_end & (start < size) & ~is_first & walk.is_scanned,
            place=tf.where(is_standalone, start + 2, end),
            size=tf.where(is_frame & ~is_end & is_first, frame, walk.size),
            most_pixels=PIXELS_PER_JPEG_BYTE * tf.cast(size, tf.int64),
            is_scanned=walk.is_scanned | (kind == SCAN),
            exif=tf.cond(
                (kind == APP1) & ~walk.is_scanned & ~is_damaged,
                lambda: tf.concat(
                    [walk.exif, _exif_of_segment(data[start + 4 : end])], 0
                ),
                lambda: walk.exif,
            ),
        )

    return step


def _exif_of_segment(segment: Tensor) -> Tensor:
    size = len(EXIF_SIGNATURE)
    return tf.cond(_has_signature(segment), lambda: segment[size:], lambda: segment[:0])


def _without_signature(exif: Tensor) -> Tensor:
    # Some programs write the signature twice.
    return tf.cond(
        _has_signature(exif), lambda: exif[len(EXIF_SIGNATURE) :], lambda: exif
    )


def _has_signature(content: Tensor) -> Tensor:
    size = len(EXIF_SIGNATURE)
    start = tf.concat([content, tf.zeros(size, tf.uint8)], 0)[:size]
    return tf.reduce_all(start == [*EXIF_SIGNATURE])


def _png_step(data: Tensor, size: Tensor) -> Callable[[_Walk], _Walk]:
    """Returns a function that skips a chunk."""
    channels = [PNG_CHANNELS.get(colors, 1) for colors in range(256)]

    def step(walk: _Walk) -> _Walk:
        start = tf.minimum(walk.place, size)
        head = tf.cast(data[start : start + 8 + _HEADER_SIZE], tf.int64)
        length, kind = _big_endian(head[:4]), _big_endian(head[4:8])
        end = tf.cast(start, tf.int64) + CHUNK_OVERHEAD + length
        is_header, is_end = kind == _kind(b"IHDR"), kind == _kind(b"IEND")
        is_first = start == len(PNG_START)
        is_damaged = (end > tf.cast(size, tf.int64)) | (is_header != is_first)
        is_damaged |= is_header & (length != _HEADER_SIZE)
        bits = tf.maximum(
            head[16] * tf.gather(tf.constant(channels, tf.int64), head[17]), 1
        )
        room = PNG_COMPRESSION * tf.cast(size, tf.int64) + PNG_SLACK
        return _Walk(
            is_on_the_way=~is_end & ~is_damaged,
            is_whole=is_end & ~is_damaged,
            place=tf.cast(tf.minimum(end, tf.cast(size, tf.int64)), tf.int32),
            size=tf.where(
                is_header,
                tf.stack([_big_endian(head[12:16]), _big_endian(head[8:12])]),
                walk.size,
            ),
            most_pixels=tf.where(is_header, 8 * room // bits, walk.most_pixels),
            is_scanned=walk.is_scanned,
            exif=tf.cond(
                (kind == _kind(b"eXIf")) & ~is_damaged,
                lambda: data[start + 8 : tf.cast(end, tf.int32) - 4],
                lambda: walk.exif,
            ),
        )

    return step


def _kind(name: bytes) -> int:
    return int.from_bytes(name, "big")


def _big_endian(content: Tensor) -> Tensor:
    return tf.reduce_sum(content * tf.constant([2**24, 2**16, 2**8, 1], tf.int64))


def _reason_of_size(size: Tensor, most_pixels: Tensor) -> Tensor:
    size = tf.maximum(size, 0)
    # The product of two 32-bit sizes could overflow.
    num_pixels = tf.reduce_prod(tf.cast(size, tf.float64))
    width, height = (tf.strings.as_string(size[axis]) for axis in (1, 0))
    announces = tf.strings.join(["announces ", width, "×", height, " pixels"])
    return tf.where(
        num_pixels == 0,
        announces,
        tf.where(
            num_pixels > MOST_PIXELS,
            tf.strings.join([announces, f", more than {MOST_PIXELS}"]),
            tf.where(
                num_pixels > tf.cast(most_pixels, tf.float64),
                tf.strings.join([announces, ", more than its bytes can hold"]),
                "",
            ),
        ),
    )
