"""Reads the size of the clips and the number of scores from a Keras model."""

from typing import Any

import keras

from keras_nonlocal.layers import PixelPreprocessing
from keras_nonlocal.models.clip_model import ClipShape
from keras_nonlocal.replicas.sublayers import all_layers


def clip_shape(model: keras.Model) -> ClipShape:
    """Returns the shape of the clips of a model with one input.

    Args:
        model: Takes RGB clips `(batch, num_frames, height, width, 3)`, channels first
            if that is Keras's image data format.

    Raises:
        ValueError: If the model's inputs differ.
    """
    shape: Any = getattr(model, "input_shape", None)
    axis = 0 if keras.config.image_data_format() == "channels_first" else -1
    positions = list(shape)[1:] if _is_one_shape(shape) else []
    if len(positions) != 4 or positions.pop(axis) != 3 or shape[0] is not None:
        raise ValueError(
            "`model` must have one input, any number of clips of RGB pictures "
            "(batch, num_frames, height, width, channels). "
            f"Received: model={getattr(model, 'name', model)!r} with the input shape "
            f"{shape}"
        )
    return ClipShape(*positions)


def num_outputs(model: keras.Model) -> int:
    """Returns the number of scores per clip of a model with one output.

    Args:
        model: Returns scores `(batch, classes)`.

    Raises:
        ValueError: If the model's outputs differ.
    """
    shape: Any = getattr(model, "output_shape", None)
    if not _is_one_shape(shape) or len(shape) != 2 or shape[1] is None:
        raise ValueError(
            "`model` must have one output, scores (batch, classes). "
            f"Received: model={getattr(model, 'name', model)!r} with the output shape "
            f"{shape}"
        )
    count: int = shape[1]
    return count


def normalizes_pixels(model: keras.Model) -> bool:
    """Whether the model takes pixels from 0 to 255 and normalizes them itself."""
    return any(isinstance(layer, PixelPreprocessing) for layer in all_layers(model))


def _is_one_shape(shape: object) -> bool:
    return isinstance(shape, tuple) and not any(
        isinstance(entry, tuple | list) for entry in shape
    )
