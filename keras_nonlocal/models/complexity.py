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
        multiply_adds: Multiplications and additions, one pair counted once, for one
            clip, of convolutions, dense layers, batch normalisations and non-local
            blocks. The pairwise products of a block are counted as the formula has
            them, whatever route computes them.
    """

    parameters: int
    multiply_adds: int


def count_complexity(model: keras.Model) -> Complexity:
    """Counts parameters and multiply-adds of a functional model.

    Args:
        model: Its input has known sizes, except the batch.

    Returns:
        The counts.

    Raises:
        ValueError: If a size is not known.

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
        multiply_adds=sum(_multiply_adds(layer) for layer in model.layers),
    )


def _multiply_adds(layer: keras.layers.Layer) -> int:
    if isinstance(layer, _CONVOLUTIONS):
        positions = math.prod(_positions(layer.output.shape, layer.data_format))
        return positions * math.prod(layer.kernel.shape)
    if isinstance(layer, layers.Dense):
        return math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)
    if isinstance(layer, layers.BatchNormalization):
        return math.prod(layer.output.shape[1:])
    if isinstance(layer, NonLocalBlock):
        return _block_multiply_adds(layer)
    return 0


def _block_multiply_adds(block: NonLocalBlock) -> int:
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
    norm = 0 if block.norm is None else num_positions * channels
    return projections * channels * width + pair_products + norm


def _positions(shape: Sequence[Any], data_format: str) -> Sequence[int]:
    return shape[2:] if data_format == "channels_first" else shape[1:-1]
