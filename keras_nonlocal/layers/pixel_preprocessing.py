"""Normalization of pixels as a layer, which is saved with the network."""

from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import ops

from keras_nonlocal.tensors import Tensor

CHANNEL_ORDERS = ("rgb", "bgr")


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class PixelPreprocessing(keras.layers.Layer):
    """Normalizes pixels: `(pixel − mean) / std` per channel.

    The layer computes in float32 (or float64) and casts the result to its compute
    dtype. The 8 bits of precision in bfloat16 are too few for the difference between a
    pixel and a mean.

    Args:
        mean: One value for each of the 3 channels, in pixel values from 0 to 255.
            Defaults to 114.75 for all channels, as in the released Kinetics training.
        std: Standard deviation of each channel, in the same units. Defaults to 57.375
            for all channels.
        channel_order: Order of the channels in the output, `mean` and `std`: `"rgb"` or
            `"bgr"`. The input is RGB. Defaults to `"rgb"`.
        data_format: `"channels_last"` or `"channels_first"`. Defaults to Keras's image
            data format.

    Input shape:
        RGB pixels from 0 to 255 of any dtype, `(…, 3)`, or `(batch, 3, …)` with
        channels first.

    Output shape:
        The input shape, in the layer's compute dtype.

    Raises:
        ValueError: If `mean` and `std` do not have 3 values, or `std` has one that is
            not positive.

    Example:

    >>> layer = keras_nonlocal.layers.PixelPreprocessing()
    >>> float(layer(np.full((1, 8, 4, 4, 3), 172.125))[0, 0, 0, 0, 0])
    1.0

    References:
        `MODEL.MEAN` and `MODEL.STD` in `lib/core/config.py` of
        https://github.com/facebookresearch/video-nonlocal-net.
    """

    def __init__(
        self,
        mean: Sequence[float] = (114.75, 114.75, 114.75),
        std: Sequence[float] = (57.375, 57.375, 57.375),
        channel_order: Literal["rgb", "bgr"] = "rgb",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        # `call` casts the inputs itself, without rounding to the compute dtype.
        super().__init__(autocast=False, **kwargs)
        for name, values in (("mean", mean), ("std", std)):
            if len(values) != 3:
                raise ValueError(
                    f"`{name}` must have 3 values, one per channel. "
                    f"Received: {name}={values!r}"
                )
        if min(std) <= 0:
            raise ValueError(f"`std` must be positive. Received: std={std!r}")
        if channel_order not in CHANNEL_ORDERS:
            raise ValueError(
                f"`channel_order` must be one of {CHANNEL_ORDERS}. "
                f"Received: channel_order={channel_order!r}"
            )
        self.mean = tuple(float(value) for value in mean)
        self.std = tuple(float(value) for value in std)
        self.channel_order = channel_order
        self.data_format = data_format or keras.config.image_data_format()

    def call(self, inputs: Tensor) -> Tensor:
        """Returns the normalized pixels."""
        axis = 1 if self.data_format == "channels_first" else -1
        dtype = "float64" if self.compute_dtype == "float64" else "float32"
        x = ops.cast(inputs, dtype)
        if self.channel_order == "bgr":
            x = ops.flip(x, axis)
        shape = [1] * len(x.shape)
        shape[axis] = 3
        mean = ops.reshape(ops.convert_to_tensor(self.mean, dtype), shape)
        std = ops.reshape(ops.convert_to_tensor(self.std, dtype), shape)
        return ops.cast((x - mean) / std, self.compute_dtype)

    def compute_output_shape(
        self, input_shape: Sequence[int | None]
    ) -> tuple[int | None, ...]:
        """Returns the input shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns all arguments of the constructor."""
        return {
            **super().get_config(),
            "mean": self.mean,
            "std": self.std,
            "channel_order": self.channel_order,
            "data_format": self.data_format,
        }
