"""Folding of batch normalization into the preceding layer, for inference."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import keras
import numpy as np

from keras_nonlocal.layers import (
    FoldedConv3D,
    FrozenBatchNormalization,
    FusedBatchNormalization,
    NonLocalBlock,
)

# Exactly these classes: the output of a subclass may not be linear in its kernel. The
# last axis of their kernels holds the output channels.
_FOLDABLE = {
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    FoldedConv3D,
    keras.layers.Dense,
}
_NORMALIZATIONS = {
    keras.layers.BatchNormalization,
    FrozenBatchNormalization,
    FusedBatchNormalization,
}


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """Copies a model for inference and folds its batch normalizations.

    At inference `γ (W x + b − mean) / √(variance + ε) + β` is a convolution with the
    kernel `s W` and the bias `s (b − mean) + β`, where `s = γ / √(variance + ε)`. If
    only a batch normalization uses the output of a convolution or `Dense` layer, the
    copy has one layer with that kernel and bias. In a `NonLocalBlock`, W_z receives
    them. Batch normalizations after other layers are kept, as are those after
    subclasses of these layers, quantized layers, and `Dense` or convolution layers with
    LoRA. The kernels of a block with LoRA are merged.

    Args:
        model: A functional or sequential model. Any other model is returned unchanged.

    Returns:
        A model with the same inputs, outputs and names of layers with weights, and with
        its own copy of the weights. Its scores differ by rounding only. It is not meant
        for training.

    Example:

    >>> model = keras_nonlocal.NLResNet50C2D(
    ...     input_shape=(4, 32, 32, 3), classes=2, width=4)
    >>> folded = keras_nonlocal.export.fold_batch_norm(model)
    >>> any("moving" in weight.name for weight in folded.weights)
    False
    """
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs[0], model.outputs[0])
    if not isinstance(model, keras.Function):
        return model
    pairs = _foldable_pairs(model)
    followed = {pair[0].name for pair in pairs}
    folded = {pair[1].name for pair in pairs}

    def without_normalization(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if layer.name in followed:
            config["use_bias"] = True
        elif _is_normalized_block(layer):
            config |= {"normalization": None, "use_bias": True}
            config.pop("projection_states", None)
        return type(layer).from_config(config)

    def unless_folded(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        return args[0] if layer.name in folded else layer(*args, **kwargs)

    copy = keras.models.clone_model(
        model, call_function=unless_folded, clone_function=without_normalization
    )
    normalization_after = {conv.name: norm for conv, norm in pairs}
    for layer in model.layers:
        if layer.name in folded or not layer.weights:
            continue
        own = copy.get_layer(layer.name)
        if layer.name in followed:
            _fold(layer, normalization_after[layer.name], own)
        elif _is_normalized_block(layer):
            _copy_block(layer, own)
        else:
            own.set_weights(layer.get_weights())
    return copy


def _foldable_pairs(
    model: keras.Model,
) -> list[tuple[keras.layers.Layer, keras.layers.BatchNormalization]]:
    """Returns pairs of a layer and the normalization that alone uses its output."""
    layers = {layer.name: layer for layer in model.layers}
    connections = _connections(model)
    uses = Counter(name for calls in connections.values() for name in chain(*calls))
    pairs = []
    for name, calls in connections.items():
        norm, seen = layers.get(name), calls[0] if len(calls) == 1 else []
        if type(norm) not in _NORMALIZATIONS or len(seen) != 1:
            continue
        layer: Any = layers.get(seen[0])
        if (
            _is_linear_in_its_kernel(layer)
            and layer.activation is keras.activations.linear
            and uses[layer.name] == len(connections[layer.name]) == 1
            and not any(layer.output is tensor for tensor in model.outputs)
            and _is_along_channels(norm, layer)
        ):
            pairs.append((layer, norm))
    return pairs


def _is_linear_in_its_kernel(layer: Any) -> bool:
    return (
        type(layer) in _FOLDABLE
        and not layer.lora_enabled
        and layer.quantization_mode is None
    )


def _connections(model: keras.Model) -> dict[str, list[list[str]]]:
    """Returns, for each call of each layer, the layers whose outputs it receives."""
    return {
        entry["name"]: [[*_seen_layers(call)] for call in entry["inbound_nodes"]]
        for entry in model.get_config()["layers"]
    }


def _seen_layers(config: Any) -> Iterator[str]:
    """Yields the names of the layers in the serialized arguments of a call."""
    if isinstance(config, Mapping):
        if "keras_history" in config:
            yield config["keras_history"][0]
        for value in config.values():
            yield from _seen_layers(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _seen_layers(value)


def _is_along_channels(
    norm: keras.layers.BatchNormalization, layer: keras.layers.Layer
) -> bool:
    rank = len(layer.output.shape)
    first = getattr(layer, "data_format", None) == "channels_first"
    return norm.axis % rank == (1 if first else rank - 1)


def _is_normalized_block(layer: keras.layers.Layer) -> bool:
    if type(layer) is not NonLocalBlock or layer.norm is None:
        return False
    projections = (layer.theta, layer.phi, layer.g, layer.out)
    return not any(p is not None and p.quantization_mode for p in projections)


def _copy_block(block: NonLocalBlock, own: NonLocalBlock) -> None:
    for name in ("theta", "phi", "g"):
        projection = getattr(block, name)
        if projection is not None:
            target = getattr(own, name)
            target.kernel.assign(projection.kernel)
            if projection.use_bias:
                target.bias.assign(projection.bias)
    if block.mode == "concatenation":
        own.w_f.assign(block.w_f)
    _fold(block.out, block.norm, own.out)


def _fold(
    layer: keras.layers.Layer,
    norm: keras.layers.BatchNormalization,
    own: keras.layers.Layer,
) -> None:
    mean, variance = _values(norm.moving_mean), _values(norm.moving_variance)
    factor = 1 / np.sqrt(variance + norm.epsilon)
    if norm.gamma is not None:
        factor *= _values(norm.gamma)
    bias = _values(layer.bias) if layer.use_bias else 0.0
    shift = 0.0 if norm.beta is None else _values(norm.beta)
    own.kernel.assign(_values(layer.kernel) * factor)
    own.bias.assign(factor * (bias - mean) + shift)


def _values(variable: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable).astype(np.float64)
