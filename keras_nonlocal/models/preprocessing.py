"""Normalization of pixels for the networks."""

from dataclasses import asdict

import keras
import numpy as np

from keras_nonlocal.arguments import check_choice
from keras_nonlocal.layer_names import PREPROCESSING
from keras_nonlocal.layers import PixelPreprocessing
from keras_nonlocal.layers.block_arguments import DATA_FORMATS, DataFormat
from keras_nonlocal.tensors import Tensor
from keras_nonlocal.weights import KINETICS_NORMALIZATION, PixelNormalization


def preprocess_input(
    x: Tensor,
    data_format: DataFormat | None = None,
    *,
    normalization: PixelNormalization = KINETICS_NORMALIZATION,
) -> Tensor:
    """Normalizes pixels as in the training of the weights.

    Args:
        x: RGB pixels from 0 to 255, `(…, 3)` or `(batch, 3, …)` with the channels
            first, of any dtype: a NumPy array or a tensor. It is not modified.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's image
            data format.
        normalization: Mean and standard deviation per channel and the order of the
            channels, such as the `normalization` of a preset in
            `keras_nonlocal.weights.PRESETS`. Defaults to that of the released networks
            and of PySlowFast for Kinetics, `(x − 114.75) / 57.375`.

    Returns:
        Normalized pixels of the same shape in Keras's float dtype: a NumPy array for a
        NumPy array and a tensor for a tensor, as in `keras.applications`.

    Raises:
        ValueError: If `data_format` has another value.

    Example:

    >>> clip = np.full((1, 8, 32, 32, 3), 172.125, "float32")
    >>> keras_nonlocal.preprocess_input(clip)[0, 0, 0, 0]
    array([1., 1., 1.], dtype=float32)

    References:
        `MODEL.MEAN` and `MODEL.STD` in `lib/core/config.py` of
        https://github.com/facebookresearch/video-nonlocal-net.
    """
    check_choice("data_format", data_format, DATA_FORMATS)
    layer = PixelPreprocessing(
        **asdict(normalization), data_format=data_format, dtype=keras.config.floatx()
    )
    pixels = layer(keras.ops.convert_to_tensor(x))
    return keras.ops.convert_to_numpy(pixels) if isinstance(x, np.ndarray) else pixels


def preprocessing_layer(normalization: PixelNormalization) -> PixelPreprocessing:
    """Returns `preprocess_input` as the first layer of a model."""
    return PixelPreprocessing(**asdict(normalization), name=PREPROCESSING)


def normalized(pixels: Tensor, normalization: PixelNormalization) -> Tensor:
    """Normalizes pixels on the model's device, because bytes transfer faster."""
    return preprocess_input(
        keras.ops.convert_to_tensor(pixels), normalization=normalization
    )
