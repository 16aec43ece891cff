"""Layers in a form that the ONNX and LiteRT converters and runtimes support."""

from typing import Any

import keras
from keras import ops

from keras_nonlocal.layers import NonLocalBlock
from keras_nonlocal.layers.affinity import SOFTMAX_MODES
from keras_nonlocal.tensors import Tensor


class SeparatePooling(keras.layers.Layer):
    """Max pooling over space, then over time, which equals pooling over both at once.

    Args:
        pool_size: Frames, height and width of a window, in positions.
        strides: Step of the window along the same axes.
        padding: `"valid"` or `"same"`.

    Input shape:
        `(batch, frames, height, width, channels)`.

    Output shape:
        That of `keras.layers.MaxPooling3D`.
    """

    def __init__(
        self,
        pool_size: tuple[int, int, int],
        strides: tuple[int, int, int],
        padding: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = pool_size
        self.strides = strides
        self.padding = padding

    def call(self, inputs: Tensor) -> Tensor:
        """Returns the maxima."""
        batch, frames, _, _, channels = ops.shape(inputs)
        x = ops.reshape(inputs, (-1, *ops.shape(inputs)[2:]))
        x = self._pool(x, self.pool_size[1:], self.strides[1:])
        height, width = ops.shape(x)[1:3]
        if self.pool_size[0] > 1 or self.strides[0] > 1:
            x = ops.reshape(x, (-1, frames, height * width, channels))
            x = self._pool(x, (self.pool_size[0], 1), (self.strides[0], 1))
            frames = ops.shape(x)[1]
        return ops.reshape(x, (batch, frames, height, width, channels))

    def _pool(
        self, x: Tensor, size: tuple[int, ...], strides: tuple[int, ...]
    ) -> Tensor:
        return ops.max_pool(x, size, strides, self.padding, "channels_last")

    def get_config(self) -> dict[str, Any]:
        """All arguments of the constructor."""
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
        }


def with_portable_layers(model: keras.Model, format: str) -> keras.Model:
    """Copies a functional model with layers that ONNX and LiteRT support.

    Any other model is returned unchanged. LiteRT has no 3D pooling, and no loops that
    collect results for a variable number of clips, as chunked attention needs, so
    blocks compute their whole N×M matrix at once. The ONNX converter rounds quotients
    toward 0, but a block computes the number of its chunks from variable sizes with
    rounding down.
    """
    if not isinstance(model, keras.Function):
        return model

    def portable(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if format == "litert" and _is_pooling(layer):
            return SeparatePooling(
                *(config[key] for key in ("pool_size", "strides", "padding")),
                name=layer.name,
                dtype=layer.dtype_policy,
            )
        if isinstance(layer, NonLocalBlock) and (
            None in layer.input.shape[1:]
            or (format == "litert" and layer.mode in SOFTMAX_MODES)
        ):
            config["route"] = "naive"
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=portable)
    for layer in model.layers:
        if layer.weights:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy


def _is_pooling(layer: keras.layers.Layer) -> bool:
    return (
        isinstance(layer, keras.layers.MaxPooling3D)
        and layer.data_format == "channels_last"
    )
