"""Decodes, scales and crops JPEGs in operations of TensorFlow.

Only the part of a picture that the crop needs is decoded. Scaling is linear and, for
smaller pictures, averages over the pixels in between, as in FFmpeg. XLA turns it into
one loop over the pixels of the crop.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from keras_nonlocal.data.readers.picture_bytes import (
    MOST_PIXELS,
    PIXELS_PER_JPEG_BYTE,
)
from keras_nonlocal.optional_packages import import_tensorflow

# Sides of decoded parts are multiples of it, since XLA compiles for each size.
_STEP = 64
# JPEG stores one color for two pixels along an axis.
_MARGIN = 2
# Stored pixels per pixel of a crop. `RecordReader` reads records that are larger.
_MOST_REACH = 4
# More pictures are read in a loop, fewer side by side.
_MOST_UNROLLED = 64


class TensorFraming(NamedTuple):
    """The tensors of a `Framing`, whose crop size is known beforehand.

    Args:
        short_side: Length in pixels to which the shorter side is scaled, `int64`.
        anchors: As in `Framing`, `float64`, shape `(num_crops, 2)`.
        flip: Whether to mirror the pictures, `bool`.
        anchors_are_drawn: As in `Framing`, `bool`.
    """

    short_side: Any
    anchors: Any
    flip: Any
    anchors_are_drawn: Any


class Sizes(NamedTuple):
    """Sizes of pictures that all have the same one.

    Args:
        is_usable: Whether they have, and whether it can be scaled here. Otherwise, the
            rest is not defined.
        stored: Height and width of the pictures, `int32`.
        scaled: Height and width to which they are scaled, `int32`.
        reach: Distance in pixels, rounded up, in which pixels contribute to one.
    """

    is_usable: Any
    stored: Any
    scaled: Any
    reach: Any


def sizes_of(contents: Any, short_side: Any, crop_size: tuple[int, int]) -> Sizes:
    """Returns the sizes of pictures.

    Args:
        contents: JPEGs, `string`, shape `(num_pictures,)`, a known number.
        short_side: Length in pixels to which the shorter side is scaled, `int64`.
        crop_size: Height and width of a crop in pixels.
    """
    tf = import_tensorflow()
    # Pictures of a video rarely change their size; `RecordReader` reads those, too.
    sizes = _for_each(
        lambda content: tf.io.extract_jpeg_shape(content)[:2],
        contents,
        tf.TensorSpec((2,), tf.int32),
    )
    num_pixels = tf.reduce_prod(tf.cast(sizes, tf.int64), -1)
    num_bytes = tf.cast(tf.strings.length(contents, "BYTE"), tf.int64)
    most = tf.minimum(num_bytes * PIXELS_PER_JPEG_BYTE, MOST_PIXELS)
    are_pictures = tf.reduce_all((num_pixels > 0) & (num_pixels <= most))
    are_equal = tf.reduce_all(sizes == sizes[:1])
    sides = tf.cast(sizes[0], tf.float64)
    # As `Framing.scaled_size` has them.
    scale = tf.cast(short_side, tf.float64) / tf.reduce_min(sides)
    scaled = tf.maximum(tf.round(sides * scale), tf.constant(crop_size, tf.float64))
    is_small = tf.reduce_prod(scaled) <= MOST_PIXELS
    reach = tf.math.ceil(tf.maximum(tf.reduce_max(sides / scaled), 1.0))
    is_usable = are_pictures & are_equal & is_small & (reach <= _MOST_REACH)
    return Sizes(
        is_usable, sizes[0], tf.cast(scaled, tf.int32), tf.cast(reach, tf.int32)
    )


def framed_pictures(
    contents: Any, sizes: Sizes, framing: TensorFraming, crop_size: tuple[int, int]
) -> Any:
    """Returns the crops of pictures.

    Args:
        contents: JPEGs, `string`, shape `(num_pictures,)`, a known number.
        sizes: Their sizes, which are usable.
        framing: The part of each picture to keep.
        crop_size: Height and width of a crop in pixels.

    Returns:
        RGB bytes, shape `(num_crops, num_pictures, height, width, 3)`.
    """
    tf = import_tensorflow()
    steps = tf.cast(sizes.stored, tf.float64) / tf.cast(sizes.scaled, tf.float64)
    crops = []
    for anchor in tf.unstack(framing.anchors):
        top, left = _corner(framing, anchor, sizes.scaled, crop_size)
        rows = top + tf.range(crop_size[0])
        columns = left + tf.range(crop_size[1])
        columns = tf.where(framing.flip, sizes.scaled[1] - 1 - columns, columns)
        vertical = _taps(rows, sizes.stored[0], steps[0], sizes.reach)
        horizontal = _taps(columns, sizes.stored[1], steps[1], sizes.reach)
        parts = _decoded(contents, vertical, horizontal)
        crops.append(_scaled(parts, vertical, horizontal, sizes.reach))
    # Stacking copies.
    crops = tf.stack(crops) if len(crops) > 1 else crops[0][None]
    return tf.ensure_shape(crops, (crops.shape[0], contents.shape[0], *crop_size, 3))


def _corner(
    framing: TensorFraming, anchor: Any, scaled: Any, crop_size: tuple[int, int]
) -> tuple[Any, Any]:
    """The top and left of a crop in the scaled picture, as `Framing.cut` has them."""
    tf = import_tensorflow()
    is_wide = scaled[1] >= scaled[0]
    along = tf.where(is_wide, anchor, anchor[::-1])
    free = tf.cast(scaled - tf.constant(crop_size), tf.float64)
    drawn = tf.minimum(tf.floor((free + 1) * along), free)
    offsets = tf.where(framing.anchors_are_drawn, drawn, tf.round(free * along))
    offsets = tf.cast(offsets, tf.int32)
    return offsets[0], offsets[1]


class _Taps(NamedTuple):
    """The pixels of an axis that make up the pixels of its crop.

    Args:
        first: The first pixel that is needed.
        count: Number of pixels from there.
        padding: Number of pixels to add, so that few sizes are scaled.
        places: For each pixel of the crop, the pixels that it is made of, counted from
            the first, shape `(crop_length, 2 * reach)`.
        weights: Their weights, `float32`, of the same shape.
    """

    first: Any
    count: Any
    padding: Any
    places: Any
    weights: Any


def _taps(crop: Any, length: Any, step: Any, reach: Any) -> _Taps:
    """Returns the pixels of an axis that make up the pixels of its crop.

    Args:
        crop: Places in the scaled picture, `int32`, shape `(crop_length,)`.
        length: Number of pixels of the stored picture.
        step: Number of stored pixels per scaled pixel, `float64`.
        reach: Distance in pixels, rounded up, in which pixels contribute.
    """
    tf = import_tensorflow()
    radius = tf.maximum(step, tf.constant(1.0, tf.float64))
    centers = (tf.cast(crop, tf.float64) + 0.5) * step - 0.5
    begin = tf.cast(tf.floor(centers), tf.int32) - reach + 1
    places = begin[:, None] + tf.range(2 * reach)
    distances = tf.abs(tf.cast(places, tf.float64) - centers[:, None])
    weights = tf.nn.relu(1 - distances / radius)
    weights /= tf.reduce_sum(weights, -1, keepdims=True)
    # Pixels outside the picture have the color of its nearest edge.
    places = tf.clip_by_value(places, 0, length - 1)
    # The colors at the edges of a part that is decoded depend on those beside it.
    first = tf.maximum(tf.reduce_min(places) - _MARGIN, 0)
    last = tf.minimum(tf.reduce_max(places) + _MARGIN, length - 1)
    # The same number for all scales above 1, and few numbers for those below.
    most, needed = crop.shape[0] + 2 + 2 * _MARGIN, last - first + 1
    wanted = tf.where(needed > most, -(-needed // _STEP) * _STEP, most)
    count = tf.minimum(wanted, length)
    first = tf.minimum(first, length - count)
    weights = tf.cast(weights, tf.float32)
    return _Taps(first, count, wanted - count, places - first, weights)


def _decoded(contents: Any, rows: _Taps, columns: _Taps) -> Any:
    """Returns a part of each picture, shape `(num_pictures, rows, columns, 3)`.

    Sides are multiples of `_STEP`, or those of the crop and the margins around it.
    """
    tf = import_tensorflow()
    window = tf.stack([rows.first, columns.first, rows.count, columns.count])

    def decode(content: Any) -> Any:
        return tf.io.decode_and_crop_jpeg(
            content, window, channels=3, dct_method="INTEGER_ACCURATE"
        )

    parts = _for_each(decode, contents, tf.TensorSpec((None, None, 3), tf.uint8))
    padding = [[0, 0], [0, rows.padding], [0, columns.padding], [0, 0]]
    # Padding copies, also if there is none.
    is_small = rows.padding + columns.padding > 0
    return tf.cond(is_small, lambda: tf.pad(parts, padding), lambda: parts)


def _for_each(function: Callable[[Any], Any], contents: Any, spec: Any) -> Any:
    """Returns the results of a function for all pictures, stacked."""
    tf = import_tensorflow()
    if contents.shape[0] <= _MOST_UNROLLED:
        return tf.stack([function(content) for content in tf.unstack(contents)])
    return tf.map_fn(function, contents, fn_output_signature=spec)


def _scaled(parts: Any, rows: _Taps, columns: _Taps, reach: Any) -> Any:
    """Returns the crops, shape `(num_pictures, height, width, 3)`."""
    tf = import_tensorflow()

    # XLA has to know the number of taps.
    def with_reach(reach: int) -> Any:
        shape = (None, 2 * reach)
        taps = (rows.places, rows.weights, columns.places, columns.weights)
        return _scaling()(parts, *(tf.ensure_shape(value, shape) for value in taps))

    branches = [
        functools.partial(with_reach, number + 1) for number in range(_MOST_REACH)
    ]
    return tf.switch_case(reach - 1, branches)


@functools.cache
def _scaling() -> Any:
    """Returns the function that scales parts of pictures."""
    tf = import_tensorflow()

    @tf.function(jit_compile=True, autograph=False)
    def scale(parts: Any, rows: Any, by_row: Any, columns: Any, by_column: Any) -> Any:
        tall = sum(
            tf.cast(tf.gather(parts, rows[:, tap], axis=1), tf.float32)
            * by_row[:, tap, None, None]
            for tap in range(rows.shape[1])
        )
        scaled = sum(
            tf.gather(tall, columns[:, tap], axis=2) * by_column[:, tap, None]
            for tap in range(columns.shape[1])
        )
        return tf.cast(scaled + 0.5, tf.uint8)

    return scale
