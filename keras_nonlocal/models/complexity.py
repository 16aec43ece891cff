"""Parameters and multiply-adds of a model, counted from its layers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from keras_nonlocal.layers import NonLocalBlock
from keras_nonlocal.layers.position_groups import PositionGroups

_CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)


@dataclass(frozen=True)
class Complexity:
    """Size and cost of a model.

    Attributes:
        parameters: Number of trainable parameters.
        multiply_adds: Number of multiply-add pairs for one clip in convolutions, dense
            layers, batch normalizations and non-local blocks. The pairwise products of
            a block are counted as in the formula, regardless of the route that computes
            them.
    """

    parameters: int
    multiply_adds: int


def count_complexity(model: keras.Model) -> Complexity:
    """Counts parameters and multiply-adds of a functional model.

    Args:
        model: A functional model whose input sizes are known, except for the batch.

    Returns:
        The counts.

    Raises:
        ValueError: If a size is unknown.

    Example:

    >>> model = keras_nonlocal.ResNet50C2D()
    >>> complexity = keras_nonlocal.models.count_complexity(model)
    >>> round(complexity.parameters / 1e6, 3)
    24.328
    """
    if None in model.input_shape[1:]:
        raise ValueError(
            "`model` must have an input of known sizes. "
            f"Received: input shape {model.input_shape}"
        )
    return Complexity(
        parameters=sum(math.prod(weight.shape) for weight in model.trainable_weights),
        multiply_adds=sum(layer_multiply_adds(layer) for layer in model.layers),
    )


def layer_multiply_adds(layer: keras.layers.Layer, counts_norms: bool = True) -> int:
    """Returns the multiply-adds of a layer for one sample.

    Args:
        layer: A layer whose input sizes are known.
        counts_norms: Whether to count batch normalization.
    """
    if isinstance(layer, layers.Conv2DTranspose):
        positions = math.prod(_positions(layer.input.shape, layer.data_format))
        return positions * math.prod(layer.kernel.shape)
    if isinstance(layer, _CONVOLUTIONS):
        positions = math.prod(_positions(layer.output.shape, layer.data_format))
        return positions * math.prod(layer.kernel.shape)
    if isinstance(layer, layers.Dense):
        return math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)
    if isinstance(layer, layers.BatchNormalization):
        return math.prod(layer.output.shape[1:]) if counts_norms else 0
    if isinstance(layer, NonLocalBlock):
        return _block_multiply_adds(layer, counts_norms)
    return 0


def _block_multiply_adds(block: NonLocalBlock, counts_norms: bool) -> int:
    positions: Any = tuple(_positions(block.input.shape, block.data_format))
    groups = PositionGroups(block.scope, block.temporal_group_size, block.pool_size)
    sizes: Any = groups.key_sizes(positions)
    num_groups: Any = groups.count(positions)
    num_positions = math.prod(positions)
    keys_per_query = math.prod(sizes)
    num_keys = num_groups * keys_per_query
    channels, width = block.out.kernel.shape[::-1]
    projections = 2 * num_positions + 2 * num_keys
    pair_products = 2 * num_positions * keys_per_query * width
    if block.mode == "gaussian":
        projections = num_positions + num_keys
        pair_products = num_positions * keys_per_query * (channels + width)
    elif block.mode == "concatenation":
        pair_products = num_positions * (keys_per_query + 1) * width + num_keys * width
    has_norm = counts_norms and block.norm is not None
    norm = num_positions * channels if has_norm else 0
    return projections * channels * width + pair_products + norm


def _positions(shape: Sequence[Any], data_format: str) -> Sequence[int]:
    return shape[2:] if data_format == "channels_first" else shape[1:-1]
