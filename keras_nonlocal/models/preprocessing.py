"""What the networks' pixels mean."""

from dataclasses import asdict
from typing import Any

import keras

from keras_nonlocal.layers import PixelPreprocessing
from keras_nonlocal.weights import KINETICS_NORMALIZATION, PixelNormalization


def preprocess_input(
    x: Any,
    data_format: str | None = None,
    *,
    normalization: PixelNormalization = KINETICS_NORMALIZATION,
) -> Any:
    """Normalises pixels as the training of the weights did.

    Args:
        x: RGB pixels from 0 to 255, `(…, 3)` of any dtype: a NumPy array or a tensor
            of the current backend. It is left unchanged.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's image
            data format.
        normalization: Mean and standard deviation per channel and the order of the
            channels. Defaults to the Kinetics training of the released networks and
            of PySlowFast, `(x − 114.75) / 57.375`; other presets of
            `keras_nonlocal.weights.PRESETS` name their own.

    Returns:
        A tensor of the same shape, in Keras's float type.

    Example:

    >>> clip = np.full((1, 8, 32, 32, 3), 172.125)
    >>> float(keras_nonlocal.preprocess_input(clip)[0, 0, 0, 0, 0])
    1.0

    References:
        `MODEL.MEAN` and `MODEL.STD` in `lib/core/config.py` of
        https://github.com/facebookresearch/video-nonlocal-net.
    """
    layer = PixelPreprocessing(
        **asdict(normalization), data_format=data_format, dtype=keras.config.floatx()
    )
    return layer(keras.ops.convert_to_tensor(x))


def preprocessing_layer(normalization: PixelNormalization) -> PixelPreprocessing:
    """`preprocess_input` as the first layer of a model."""
    return PixelPreprocessing(**asdict(normalization), name="preprocessing")


def has_preprocessing(model: keras.Model) -> bool:
    """Whether the model takes pixels and normalises them itself."""
    return any(isinstance(layer, PixelPreprocessing) for layer in model.layers)
