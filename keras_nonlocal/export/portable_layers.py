"""Layers in a form that the converters and runtimes of other formats support."""

import re
from math import prod
from typing import Any

import keras
from keras import ops

from keras_nonlocal.detection import RegionModel
from keras_nonlocal.layers import NonLocalBlock
from keras_nonlocal.layers.affinity import SOFTMAX_MODES
from keras_nonlocal.layers.memory_limit import default_memory_limit
from keras_nonlocal.layers.position_groups import flatten_positions
from keras_nonlocal.layers.route_choice import pairs_that_fit
from keras_nonlocal.tensors import Tensor

_FLOAT32 = {
    "mixed_bfloat16": "float32",
    "mixed_float16": "float32",
    "bfloat16": "float32",
    "float16": "float32",
}


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


class ConvolvedBlock(NonLocalBlock):
    """A `NonLocalBlock` whose projections are convolutions, for OpenVINO.

    Arguments, weights and results are those of `NonLocalBlock`. Keras computes the
    projections as products of matrices, around which OpenVINO would rearrange the
    features from the layout of its convolutions and back, and would not fuse the sum
    with the input. With a softmax, the route is `"naive"`: OpenVINO fuses both products
    with the softmax between them and does not store the N×M weights.
    """

    def call(
        self,
        inputs: Tensor,
        training: bool | None = None,
        return_attention_scores: bool = False,
        mask: Tensor = None,
    ) -> Tensor:
        """Returns `inputs + norm(W_z y)`; see `NonLocalBlock`."""
        if return_attention_scores or mask is not None:
            return super().call(inputs, training, return_attention_scores, mask)
        inputs, x, _ = self._standardize(inputs, None)
        shape = ops.shape(x)
        grouped = self._groups.split(x)
        keys = self._pooled(grouped, len(shape) - 2)
        if self.mode == "concatenation":
            theta, phi = self._pair_embeddings(
                flatten_positions(grouped), flatten_positions(keys)
            )
        elif self.mode == "gaussian":
            theta, phi = flatten_positions(grouped), flatten_positions(keys)
        else:
            theta = flatten_positions(_convolved(grouped, self.theta))
            phi = flatten_positions(_convolved(keys, self.phi))
        g = flatten_positions(_convolved(keys, self.g))
        y = self._weighted_sum(theta, phi, g)
        z = _convolved(self._groups.merge(y, shape), self.out)
        if self.norm is not None:
            z = self.norm(z, training=training)
        z = ops.cast(z, x.dtype)
        first = self.data_format == "channels_first"
        return inputs + (ops.moveaxis(z, -1, 1) if first else z)

    def _pooled(self, grouped: Tensor, num_axes: int) -> Tensor:
        """Pools over all axes of a group at once, which needs no reshaping."""
        pools = self._groups.pools(num_axes)
        if all(pool == 1 for pool in pools):
            return grouped
        return ops.max_pool(grouped, pools, pools, "valid", "channels_last")


def _convolved(x: Tensor, projection: keras.layers.Dense) -> Tensor:
    """Returns `projection(x)`, computed as a convolution of size 1.

    Args:
        x: `(batch, *positions, channels)`.
        projection: A `keras.layers.Dense` without quantization or LoRA.
    """
    x = ops.cast(x, projection.compute_dtype)
    kernel = ops.cast(projection.kernel, x.dtype)
    kernel = ops.reshape(kernel, (*(1,) * (len(x.shape) - 2), *kernel.shape))
    y = ops.conv(x, kernel, padding="valid", data_format="channels_last")
    if projection.bias is None:
        return y
    return y + ops.cast(projection.bias, y.dtype)


def with_portable_layers(model: keras.Model, format: str) -> keras.Model:
    """Copies a functional model, and those in it, with layers that a runtime supports.

    Any other model is returned unchanged. LiteRT has no 3D pooling, and no loops that
    collect results for a variable number of clips, as chunked attention needs, so
    blocks compute their whole N×M matrix at once. In ONNX files, the limit of a block's
    memory applies to each clip of a batch, and not at all where other sizes are open,
    because the converter's loops over chunks need fixed ones. For OpenVINO, see
    `ConvolvedBlock`. All of them compute in float32, whatever the model was trained in:
    runtimes choose the precision when they load a file, and few have all operations in
    bfloat16.
    """
    if not isinstance(model, keras.Function):
        return model

    def portable(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = _in_float32(layer.get_config())
        if format == "litert" and _is_pooling(layer):
            return SeparatePooling(
                *(config[key] for key in ("pool_size", "strides", "padding")),
                name=layer.name,
                dtype=config["dtype"],
            )
        if isinstance(layer, NonLocalBlock) and (
            None in layer.input.shape[1:]
            or (format != "onnx" and layer.mode in SOFTMAX_MODES)
        ):
            config["route"] = "naive"
        elif isinstance(layer, NonLocalBlock) and layer.mode in SOFTMAX_MODES:
            config["route"] = _route_for_open_batches(layer)
        if format == "openvino" and _has_plain_projections(layer):
            return ConvolvedBlock.from_config(config)
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=portable, recursive=True)
    for layer in model.layers:
        if layer.weights:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy


def _route_for_open_batches(layer: NonLocalBlock) -> str:
    """Returns `"chunked"` if the weights of one clip exceed the block's limit.

    The route `"auto"` would put loops over chunks into each file, although few need
    them.
    """
    if layer.route != "auto" or keras.backend.backend() == "torch":
        return layer.route
    _, scores = layer.compute_output_spec(layer.input, return_attention_scores=True)
    limit = layer.memory_limit or default_memory_limit(None)
    fit = pairs_that_fit(limit, "float32", has_mask=False)
    return "naive" if prod(scores.shape[1:]) <= fit else "chunked"


def detector_in_float32(model: RegionModel) -> RegionModel:
    """Copies a detector in half precision. Any other one is returned unchanged."""
    given = model.get_config()
    config = _in_float32(given)
    if config == given:
        return model
    copy = type(model).from_config(config)
    copy.set_weights(model.get_weights())
    return copy


def _in_float32(config: Any) -> Any:
    """Replaces half precision in a configuration, and in those of layers in it."""
    if isinstance(config, (list, tuple)):
        return type(config)(map(_in_float32, config))
    if not isinstance(config, dict):
        return config
    # Where policies have the names of types: plain ones, quantized ones and maps.
    if re.search(r"DTypePolicy(Map)?$", str(config.get("class_name"))):
        names = {key: _renamed(value) for key, value in config["config"].items()}
        return config | {"config": _in_float32(names)}
    return {
        key: _renamed(value) if key == "dtype" else _in_float32(value)
        for key, value in config.items()
    }


def _renamed(dtype: Any) -> Any:
    """Replaces the name of a type in half precision."""
    return _FLOAT32.get(dtype, dtype) if isinstance(dtype, str) else _in_float32(dtype)


def _has_plain_projections(layer: keras.layers.Layer) -> bool:
    # A subclass may compute something else. Quantized kernels are integers, and LoRA
    # adds to a kernel.
    return (
        type(layer) is NonLocalBlock and "projection_states" not in layer.get_config()
    )


def _is_pooling(layer: keras.layers.Layer) -> bool:
    return (
        isinstance(layer, keras.layers.MaxPooling3D)
        and layer.data_format == "channels_last"
    )
