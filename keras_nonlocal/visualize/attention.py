"""Finds the positions that one position of a clip attends to most."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from keras_nonlocal.arguments import check_positive_integer, is_integer
from keras_nonlocal.layers import NonLocalBlock
from keras_nonlocal.layers.position_groups import PositionGroups
from keras_nonlocal.tensors import Tensor
from keras_nonlocal.visualize.layer_choice import find_block


@dataclass(frozen=True)
class Place:
    """A position of a block in the clip.

    Args:
        first_frame: First frame of the clip that the position covers, from 0.
        last_frame: Last frame that it covers. Networks that pool over time have fewer
            frames than their clips.
        y: Distance of its center from the top, as a fraction of the height.
        x: Distance of its center from the left, as a fraction of the width.
    """

    first_frame: int
    last_frame: int
    y: float
    x: float

    @property
    def frame(self) -> int:
        """The middle frame."""
        return (self.first_frame + self.last_frame) // 2


@dataclass(frozen=True)
class Connection:
    """A position that the query attends to.

    Args:
        place: The position.
        weight: `f(x_i, x_j) / C(x)`, where i is the query and j is this position.
    """

    place: Place
    weight: float


@dataclass(frozen=True)
class Attention:
    """The positions that one position of a clip attends to most.

    Args:
        layer_name: The non-local block.
        query: The position i.
        connections: The strongest connections, in descending order.
        frame_weights: For each frame of the clip, the sum of the weights of all
            positions that cover it, `(num_frames,)`.
    """

    layer_name: str
    query: Place
    connections: tuple[Connection, ...]
    frame_weights: np.ndarray


def attend(
    model: keras.Model,
    clip: Tensor,
    layer_name: str | None = None,
    *,
    query: Sequence[int] | None = None,
    num_connections: int = 20,
) -> Attention:
    """Finds the positions that one position of a clip attends to most.

    Args:
        model: A functional model with a `keras_nonlocal.layers.NonLocalBlock`.
        clip: Input of the model, a batch of one:
            `(1, num_frames, height, width, channels)`.
        layer_name: Name of the block. Defaults to the last one.
        query: Frame, row and column of a pixel of the clip, from 0. The block's
            position that contains this pixel is the query. Defaults to the center of
            the middle frame.
        num_connections: Maximum number of positions to return. Only positions with a
            positive weight are returned. Defaults to `20`.

    Returns:
        The query, the strongest connections and the weight of each frame.

    Raises:
        TypeError: If `num_connections` is not an integer.
        ValueError: If the model has no such block, or the clip has no such pixel.

    Example:

    >>> model = keras_nonlocal.NLResNet50C2D(
    ...     input_shape=(4, 32, 32, 3), classes=2, width=4)
    >>> clip = np.random.rand(1, 4, 32, 32, 3)
    >>> found = keras_nonlocal.visualize.attend(model, clip, num_connections=2)
    >>> found.layer_name, len(found.connections)
    ('conv4_block6_nl', 2)

    References:
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), Figure 3.
    """
    check_positive_integer("num_connections", num_connections)
    block = find_block(model, layer_name)
    clip_sizes = _positions(clip.shape)
    pixel = _checked_query(query, clip_sizes)
    features = keras.Model(model.input, block.input)(clip, training=False)
    sizes = _positions(features.shape)
    position = tuple(
        index * size // clip_size
        for index, size, clip_size in zip(pixel, sizes, clip_sizes, strict=True)
    )
    scores = keras.ops.convert_to_numpy(block.attention_scores(features, position))[0]
    keys = _KeyPlaces(block, position, sizes, clip_sizes[0])
    order = np.argsort(-scores, axis=None, kind="stable")[:num_connections]
    connections = tuple(
        Connection(keys.place(index), float(scores[index]))
        for index in zip(*np.unravel_index(order, scores.shape), strict=True)
        if scores[index] > 0
    )
    frame_weights = np.zeros(clip_sizes[0])
    for index in np.ndindex(scores.shape):
        place = keys.place(index)
        frame_weights[place.first_frame : place.last_frame + 1] += scores[index]
    center = [(i + 0.5) / size for i, size in zip(position, sizes, strict=True)]
    source = Place(pixel[0], pixel[0], center[1], center[2])
    return Attention(block.name, source, connections, frame_weights)


class _KeyPlaces:
    """The places of a block's positions j in the clip.

    Args:
        block: The block.
        position: The position i: frame, row and column in the block's input.
        sizes: Frames, height and width of the block's input.
        num_frames: Frames of the clip.
    """

    def __init__(
        self,
        block: NonLocalBlock,
        position: tuple[int, ...],
        sizes: tuple[int, ...],
        num_frames: int,
    ) -> None:
        groups = PositionGroups(block.scope, block.temporal_group_size, block.pool_size)
        self._axes = groups.axes(3)
        self._pools = groups.pools(3)
        self._first_frame = 0
        if block.temporal_group_size is not None:
            self._first_frame = position[0] - position[0] % block.temporal_group_size
        self._position = position
        self._sizes = sizes
        self._num_frames = num_frames

    def place(self, index: Sequence[int]) -> Place:
        """Returns the place of the key at this index of a query's weights."""
        begin, extent = [float(at) for at in self._position], [1.0] * 3
        for axis, at, pool in zip(self._axes, index, self._pools, strict=True):
            begin[axis] = at * pool + (self._first_frame if axis == 0 else 0)
            extent[axis] = pool
        frames_each = self._num_frames / self._sizes[0]
        first, end = (at * frames_each for at in (begin[0], begin[0] + extent[0]))
        y, x = (
            float((begin[axis] + extent[axis] / 2) / self._sizes[axis])
            for axis in (1, 2)
        )
        return Place(int(first), max(math.ceil(end) - 1, int(first)), y, x)


def _positions(shape: Sequence[int]) -> tuple[int, ...]:
    first = keras.config.image_data_format() == "channels_first"
    return tuple(shape[2:] if first else shape[1:-1])


def _checked_query(
    query: Sequence[int] | None, sizes: tuple[int, ...]
) -> tuple[int, ...]:
    if query is None:
        return tuple(size // 2 for size in sizes)
    if len(query) != 3 or not all(
        is_integer(at) and 0 <= at < size for at, size in zip(query, sizes, strict=True)
    ):
        raise ValueError(
            "`query` must be the frame, row and column of a pixel of the clip, from 0. "
            f"Received: query={tuple(query)} for a clip of frames × height × width "
            f"{sizes}"
        )
    return tuple(int(at) for at in query)
