"""Decodes pictures in a TensorFlow graph by the rules of the data pipeline."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from keras_nonlocal.data.framing import Framing
from keras_nonlocal.data.readers.picture_bytes import MOST_PIXELS
from keras_nonlocal.export.picture_bytes import DAMAGED, stored_pictures
from keras_nonlocal.tensors import Tensor

OK = "ok"


class DecodedViews(NamedTuple):
    """The decoded views of clips.

    Args:
        pixels: RGB bytes, `(batch, num_crops, num_frames, crop_height, crop_width, 3)`;
            black if a picture cannot be decoded.
        status: `"ok"` or the reason why a picture cannot be decoded, `(batch,
            num_frames)`.
    """

    pixels: Tensor
    status: Tensor


class Geometry(NamedTuple):
    """How each stored picture becomes an upright crop, with one entry per picture.

    Args:
        sizes: Upright scaled heights and widths, `(num_pictures, 2)` int64.
        is_transposed: Whether rows and columns are swapped.
        is_flipped: Whether the upright picture is flipped along each axis,
            `(num_pictures, 2)`.
    """

    sizes: Tensor
    is_transposed: Tensor
    is_flipped: Tensor


def decode_views(frames: Tensor, framing: Framing) -> DecodedViews:
    """Decodes, turns, scales and crops the frames of clips.

    Size and position of the crops are exactly those of `Framing`, and pictures are
    rejected for the same reasons as in `keras_nonlocal.data`.

    Args:
        frames: JPEG or PNG pictures `(batch, num_frames)`, strings.
        framing: The part of each picture to keep.
    """
    contents = tf.reshape(frames, [-1])
    stored = stored_pictures(contents)
    geometry = _geometry(stored.sizes, stored.orientations, framing)
    reasons, crop_size = _check(stored.reasons, stored.sizes, geometry, framing)
    crops, is_decoded = decoded(
        contents,
        reasons == "",
        geometry,
        lambda content, entry: _crops(content, entry, framing, crop_size),
        tf.concat([[len(framing.anchors)], crop_size, [3]], 0),
    )
    reasons = tf.where((reasons == "") & ~is_decoded, DAMAGED, reasons)
    pixels = tf.reshape(crops, tf.concat([tf.shape(frames), tf.shape(crops)[1:]], 0))
    height, width = framing.crop_size or (None, None)
    return DecodedViews(
        tf.ensure_shape(
            tf.transpose(pixels, (0, 2, 1, 3, 4, 5)),
            (None, len(framing.anchors), frames.shape[1], height, width, 3),
        ),
        tf.reshape(tf.where(reasons == "", OK, reasons), tf.shape(frames)),
    )


def check_status(status: Tensor, name: str = "frames") -> Tensor:
    """Returns an operation that fails with the first picture that is not ok.

    Args:
        status: The status of each picture.
        name: Name of the input with the pictures.
    """
    flat = tf.reshape(status, [-1])
    first = tf.argmax(tf.cast(flat != OK, tf.int32))
    place = tf.unravel_index(first, tf.shape(status, tf.int64))
    indices = tf.strings.reduce_join(tf.strings.as_string(place), separator=", ")
    reason = tf.strings.join([f"{name}[", indices, "] ", tf.gather(flat, first)])
    return tf.debugging.Assert(tf.reduce_all(flat == OK), [reason])


def is_ok(status: Tensor) -> Tensor:
    """Returns whether all pictures of each element of a batch could be decoded."""
    return tf.reduce_all(status == OK, tf.range(1, tf.rank(status)))


def _geometry(sizes: Tensor, orientations: Tensor, framing: Framing) -> Geometry:
    sizes = tf.cast(upright_sizes(sizes, orientations), tf.float64)
    scale = tf.cast(framing.short_side, tf.float64) / tf.reduce_min(sizes, 1)
    scaled = tf.cast(tf.round(sizes * scale[:, tf.newaxis]), tf.int64)
    least = tf.constant(framing.crop_size or (1, 1), tf.int64)
    return geometry_of(tf.maximum(scaled, least), orientations)


def upright_sizes(sizes: Tensor, orientations: Tensor) -> Tensor:
    """Returns heights and widths of pictures as they are shown, at least 1."""
    is_transposed = (orientations >= 5)[:, tf.newaxis]
    return tf.maximum(tf.where(is_transposed, sizes[:, ::-1], sizes), 1)


def geometry_of(sizes: Tensor, orientations: Tensor) -> Geometry:
    """Returns the geometry of pictures with upright scaled sizes."""
    flips = [
        tf.reduce_any(orientations[:, tf.newaxis] == flipped, 1)
        for flipped in ([3, 4, 7, 8], [2, 3, 6, 7])
    ]
    return Geometry(sizes, orientations >= 5, tf.stack(flips, 1))


def _check(
    reasons: Tensor, stored_sizes: Tensor, geometry: Geometry, framing: Framing
) -> tuple[Tensor, Tensor]:
    """Adds the reasons that concern shapes, and returns the size of the crops."""
    num_pixels = tf.reduce_prod(tf.cast(geometry.sizes, tf.float64), 1)
    height, width = tf.unstack(tf.strings.as_string(stored_sizes), axis=1)
    shapes = tf.strings.join(["has no usable shape (", width, "×", height, " pixels)"])
    reasons = tf.where((reasons == "") & (num_pixels > MOST_PIXELS), shapes, reasons)
    if framing.crop_size is not None:
        return reasons, tf.constant(framing.crop_size, tf.int64)
    side = tf.constant(framing.short_side, tf.int64)
    usable = tf.concat(
        [tf.boolean_mask(geometry.sizes, reasons == ""), [[side, side]]], 0
    )
    is_other = tf.reduce_any(geometry.sizes != usable[0], 1)
    other = "has another shape than the pictures before"
    return tf.where((reasons == "") & is_other, other, reasons), usable[0]


def decoded(
    contents: Tensor,
    is_usable: Tensor,
    geometry: Geometry,
    render: Callable[[Tensor, Geometry], Tensor],
    shape: Tensor,
) -> tuple[Tensor, Tensor]:
    """Decodes pictures in parallel, except damaged ones.

    Args:
        contents: JPEG or PNG pictures, strings `(num_pictures,)`.
        is_usable: Which of them to decode.
        geometry: Of all of them.
        render: From a picture's bytes and its geometry to RGB bytes of `shape`.
        shape: Of what `render` returns.

    Returns:
        What `render` returned for each picture, 0 where it cannot be decoded, and which
        pictures could be decoded.
    """
    num_pictures = tf.size(contents, tf.int64)
    usable = tf.where(is_usable)[:, 0]
    pictures = tf.data.Dataset.from_tensor_slices(
        tuple(
            tf.gather(entries, usable)
            for entries in (tf.range(num_pictures), contents, *geometry)
        )
    )
    pictures = pictures.map(
        lambda index, content, *entries: (index, render(content, Geometry(*entries))),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    # An empty dataset has no batch, so a first entry is added and dropped again.
    none = tf.data.Dataset.from_tensors((num_pictures, tf.zeros(shape, tf.uint8)))
    found = none.concatenate(pictures.ignore_errors()).batch(num_pictures + 1)
    indices, pixels = found.get_single_element()
    indices, pixels = indices[1:, tf.newaxis], pixels[1:]
    everything = tf.concat([[num_pictures], tf.cast(shape, tf.int64)], 0)
    is_decoded = tf.scatter_nd(
        indices, tf.ones_like(indices[:, 0], tf.int32), num_pictures[tf.newaxis]
    )
    return tf.scatter_nd(indices, pixels, everything), is_decoded > 0


def decode_picture(content: Tensor) -> Tensor:
    """Decodes a JPEG or PNG as the data pipeline does, as exactly as TensorFlow can."""
    return tf.io.decode_jpeg(
        content, channels=3, dct_method="INTEGER_ACCURATE", fancy_upscaling=False
    )


def _crops(
    content: Tensor, geometry: Geometry, framing: Framing, crop_size: Tensor
) -> Tensor:
    """Decodes and scales only the part of a picture that the crops need."""
    picture = decode_picture(content)
    is_wide = geometry.sizes[1] >= geometry.sizes[0]
    free = tf.cast(geometry.sizes - crop_size, tf.float64)
    crops = []
    for short, long in framing.anchors:
        anchor = tf.where(is_wide, (short, long), (long, short))
        corner = tf.round(free * tf.cast(anchor, tf.float64))
        corner = tf.where(geometry.is_flipped, free - corner, corner)
        crops.append(scaled_part(picture, geometry, corner, crop_size))
    return tf.stack(crops)


def scaled_part(
    picture: Tensor, geometry: Geometry, corner: Tensor, size: Tensor
) -> Tensor:
    """Returns the upright part of the scaled picture that starts at a corner."""
    as_stored = tf.where(geometry.is_transposed, [1, 0], [0, 1])
    scaled_size = tf.cast(tf.gather(geometry.sizes, as_stored), tf.float64)
    scale = scaled_size / tf.cast(tf.shape(picture)[:2], tf.float64)
    # Antialiased, as libswscale's bilinear scaling is.
    scaled = tf.raw_ops.ScaleAndTranslate(
        images=picture[tf.newaxis],
        size=tf.cast(tf.gather(size, as_stored), tf.int32),
        scale=tf.cast(scale, tf.float32),
        translation=tf.cast(-tf.gather(corner, as_stored), tf.float32),
        kernel_type="triangle",
        antialias=True,
    )[0]
    part = tf.cast(tf.clip_by_value(tf.round(scaled), 0, 255), tf.uint8)
    part = tf.transpose(part, tf.concat([as_stored, [2]], 0))
    rows, columns = tf.unstack(tf.cast(geometry.is_flipped, tf.int32) * -2 + 1)
    return part[::rows, ::columns]
