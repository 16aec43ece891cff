"""JPEG frames to clips inside a TensorFlow graph, by the data pipeline's rules."""

from typing import Any

import tensorflow as tf

from keras_nonlocal.data.transforms import Framing


def decode_views(frames: Any, framing: Framing) -> Any:
    """Decodes, scales and crops the frames of clips.

    Size and place of the crops are those of `Framing`, exactly.

    Args:
        frames: JPEG or PNG pictures `(batch, num_frames)`, strings.
        framing: What is kept of each picture.

    Returns:
        RGB bytes, `(batch, num_crops, num_frames, crop_height, crop_width, 3)`.
    """
    crop_height, crop_width = framing.crop_size or (None, None)
    num_crops = len(framing.anchors)
    crops = tf.map_fn(
        lambda content: tf.stack(_crops(content, framing)),
        tf.reshape(frames, [-1]),
        fn_output_signature=tf.TensorSpec(
            (num_crops, crop_height, crop_width, 3), tf.uint8
        ),
    )
    outer, inner = tf.shape(frames), tf.shape(crops)[1:]
    crops = tf.reshape(crops, tf.concat([outer, inner], 0))
    views = tf.transpose(crops, (0, 2, 1, 3, 4, 5))
    return tf.ensure_shape(
        views, (None, num_crops, frames.shape[1], crop_height, crop_width, 3)
    )


def _crops(content: Any, framing: Framing) -> list[Any]:
    picture = _scaled(content, framing)
    size = tf.shape(picture)[:2]
    is_wide = size[1] >= size[0]
    crop_size = size if framing.crop_size is None else tf.constant(framing.crop_size)
    free = tf.cast(size - crop_size, tf.float64)
    crops = []
    for short, long in framing.anchors:
        anchor = tf.where(is_wide, (short, long), (long, short))
        corner = tf.cast(tf.round(free * tf.cast(anchor, tf.float64)), tf.int32)
        crops.append(
            tf.slice(
                picture,
                tf.concat([corner, [0]], 0),
                tf.concat([crop_size, [3]], 0),
            )
        )
    return crops


def _scaled(content: Any, framing: Framing) -> Any:
    """The picture with the short side of the framing, in bytes."""
    picture = tf.io.decode_jpeg(
        content, channels=3, dct_method="INTEGER_ACCURATE", fancy_upscaling=False
    )
    size = tf.cast(tf.shape(picture)[:2], tf.float64)
    scale = tf.cast(framing.short_side, tf.float64) / tf.reduce_min(size)
    scaled_size = tf.maximum(
        tf.cast(tf.round(size * scale), tf.int32),
        tf.constant(framing.crop_size or (1, 1)),
    )
    # Antialiased, as libswscale's bilinear scaling is.
    scaled = tf.image.resize(picture, scaled_size, "bilinear", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(scaled), 0, 255), tf.uint8)
