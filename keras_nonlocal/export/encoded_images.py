"""JPEGs to a batch of padded pictures inside a TensorFlow graph, for detectors."""

from typing import Any, NamedTuple

import tensorflow as tf

from keras_nonlocal.data.coco.sizes import DIVISOR
from keras_nonlocal.data.readers.picture_bytes import MOST_PIXELS
from keras_nonlocal.export.encoded_frames import (
    OK,
    Geometry,
    decode_picture,
    decoded,
    geometry_of,
    scaled_part,
    upright_sizes,
)
from keras_nonlocal.export.picture_bytes import DAMAGED, stored_pictures

InputSize = tuple[int | None, int | None]


class DecodedImages(NamedTuple):
    """Pictures as a detector takes them.

    Args:
        pixels: RGB bytes `(batch, height, width, 3)`, padded; black where a picture
            cannot be decoded.
        sizes: Heights and widths without the padding, `(batch, 2)` int64.
        shown_sizes: Heights and widths of the upright pictures before they were scaled.
        status: `"ok"` or why a picture cannot be decoded, `(batch,)`.
    """

    pixels: Any
    sizes: Any
    shown_sizes: Any
    status: Any


class ImageSizing(NamedTuple):
    """How large pictures are made.

    Args:
        short_side: Length in pixels of the shorter side.
        long_side: Greatest length of the longer side.
        input_size: Height and width that the model takes, where they are fixed; the
            pictures also fit into these.
    """

    short_side: int
    long_side: int
    input_size: InputSize

    def scaled(self, sizes: Any) -> Any:
        """Returns the sizes of scaled pictures, by `keras_nonlocal.data`'s rule."""
        sides = tf.cast(sizes, tf.float64)
        scale = tf.minimum(
            self.short_side / tf.reduce_min(sides, 1),
            self.long_side / tf.reduce_max(sides, 1),
        )
        for axis, side in enumerate(self.input_size):
            if side is not None:
                scale = tf.minimum(scale, side / sides[:, axis])
        scaled = tf.floor(sides * scale[:, tf.newaxis])
        return tf.cast(tf.maximum(scaled, 1), tf.int64)

    def padded(self, sizes: Any) -> Any:
        """Returns the height and width of a batch of pictures of these sizes."""
        largest = tf.reduce_max(sizes, 0)
        padded = -(-largest // DIVISOR) * DIVISOR
        fixed = [
            padded[axis] if side is None else tf.constant(side, tf.int64)
            for axis, side in enumerate(self.input_size)
        ]
        return tf.stack(fixed)


def decode_images(contents: Any, sizing: ImageSizing) -> DecodedImages:
    """Decodes, turns, scales and pads pictures.

    Args:
        contents: JPEG or PNG pictures, strings `(batch,)`.
        sizing: How large they are made.
    """
    stored = stored_pictures(contents)
    shown = upright_sizes(stored.sizes, stored.orientations)
    sizes = sizing.scaled(shown)
    num_pixels = tf.reduce_prod(tf.cast(sizes, tf.float64), 1)
    height, width = tf.unstack(tf.strings.as_string(stored.sizes), axis=1)
    shapes = tf.strings.join(["has no usable shape (", width, "×", height, " pixels)"])
    reasons = stored.reasons
    reasons = tf.where((reasons == "") & (num_pixels > MOST_PIXELS), shapes, reasons)
    is_usable = reasons == ""
    sizes = tf.where(is_usable[:, tf.newaxis], sizes, tf.ones_like(sizes))
    padded = sizing.padded(sizes)

    def render(content: Any, geometry: Geometry) -> Any:
        start = tf.zeros(2, tf.float64)
        picture = scaled_part(decode_picture(content), geometry, start, geometry.sizes)
        missing = padded - tf.shape(picture, tf.int64)[:2]
        return tf.pad(picture, [[0, missing[0]], [0, missing[1]], [0, 0]])

    pixels, is_decoded = decoded(
        contents,
        is_usable,
        geometry_of(sizes, stored.orientations),
        render,
        tf.concat([padded, [3]], 0),
    )
    reasons = tf.where(is_usable & ~is_decoded, DAMAGED, reasons)
    return DecodedImages(
        tf.ensure_shape(pixels, (None, *sizing.input_size, 3)),
        sizes,
        shown,
        tf.where(reasons == "", OK, reasons),
    )
