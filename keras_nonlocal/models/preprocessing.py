"""What the networks' pixels mean."""

from typing import Any

import keras
from keras import ops

PIXEL_MEAN = 114.75
PIXEL_STD = 57.375
_LAYER_NAME = "preprocessing"


def preprocess_input(x: Any) -> Any:
    """Normalises pixels as the released Kinetics training does.

    `(x − 114.75) / 57.375`, the same for red, green and blue.

    Args:
        x: Pixels from 0 to 255 in RGB order, of any shape and dtype: a NumPy array or
            a tensor of the current backend. It is left unchanged.

    Returns:
        A tensor of the same shape, in Keras's float type.

    Example:

    >>> import numpy as np
    >>> clip = np.full((1, 8, 32, 32, 3), 172.125)
    >>> float(keras_nonlocal.preprocess_input(clip)[0, 0, 0, 0, 0])
    1.0

    References:
        `lib/utils/` and `configs/` of https://github.com/facebookresearch/video-nonlocal-net
        (`MODEL.MEAN`, `MODEL.STD`).
    """
    return (ops.cast(x, keras.config.floatx()) - PIXEL_MEAN) / PIXEL_STD


def preprocessing_layer() -> keras.layers.Layer:
    """`preprocess_input` as the first layer of a model."""
    return keras.layers.Rescaling(
        1.0 / PIXEL_STD, offset=-PIXEL_MEAN / PIXEL_STD, name=_LAYER_NAME
    )


def has_preprocessing(model: keras.Model) -> bool:
    """Whether the model was built with `include_preprocessing=True`."""
    return any(layer.name == _LAYER_NAME for layer in model.layers)
