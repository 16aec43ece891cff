"""Groups of positions that attend to each other, and the pooling of their keys."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import keras
from keras import ops

from keras_nonlocal.tensors import Tensor

SCOPES = ("spacetime", "space", "time")

Size = int | None
Sizes = tuple[Size, ...]

# Number of position axes -> scope -> the axes that a group of positions spans.
# Axis 0 of a signal and of a video is time; images have no time axis.
_GROUP_AXES: dict[int, dict[str, tuple[int, ...]]] = {
    1: {"spacetime": (0,), "time": (0,)},
    2: {"spacetime": (0, 1), "space": (0, 1)},
    3: {"spacetime": (0, 1, 2), "space": (1, 2), "time": (0,)},
}

_UNEVEN_GROUPS = (
    "`temporal_group_size` must divide the number of frames of `inputs`. "
    "Received: frames, temporal_group_size ="
)
_LARGE_POOL = (
    "`pool_size` must not be larger than the axis of `inputs` that it pools. "
    "Received: size, pool size ="
)


@dataclass(frozen=True)
class PositionGroups:
    """Groups of positions that attend to each other, formed by reshaping.

    Args:
        scope: One of `SCOPES`.
        temporal_group_size: Number of frames in a group, or `None` for all.
        pool_size: Max pooling before φ and g: one size per position axis, one integer,
            or `None`.
    """

    scope: str
    temporal_group_size: int | None
    pool_size: int | tuple[int, ...] | None

    def axes(self, num_axes: int) -> tuple[int, ...]:
        """Returns the position axes, starting at 0, that a group spans."""
        if self.scope not in _GROUP_AXES[num_axes]:
            raise ValueError(
                "`scope` must name axes that the inputs have: inputs of rank 3 have "
                "time and no space, inputs of rank 4 space and no time. "
                f"Received: scope={self.scope!r} for inputs of rank {num_axes + 2}"
            )
        return _GROUP_AXES[num_axes][self.scope]

    def pools(self, num_axes: int) -> tuple[int, ...]:
        """Returns one pool size for each axis of a group."""
        axes = self.axes(num_axes)
        size = self.pool_size
        if size is None:
            return (1,) * len(axes)
        if isinstance(size, int):
            return (1, size, size) if len(axes) == 3 else (size,) * len(axes)
        if len(size) != num_axes:
            raise ValueError(
                "`pool_size` must have one entry per position axis, that is "
                f"{num_axes} for inputs of rank {num_axes + 2}. "
                f"Received: pool_size={size}"
            )
        if any(pool > 1 for axis, pool in enumerate(size) if axis not in axes):
            raise ValueError(
                "`pool_size` must be 1 along the axes that the scope leaves out. "
                f"Received: pool_size={size} for scope={self.scope!r}"
            )
        return tuple(size[axis] for axis in axes)

    def sizes(self, positions: Sizes) -> Sizes:
        """Returns the sizes of a group's axes, given those of the position axes."""
        axes = self.axes(len(positions))
        length = self.temporal_group_size
        if length is None:
            return tuple(positions[axis] for axis in axes)
        if len(positions) == 2 or 0 not in axes:
            raise ValueError(
                "`temporal_group_size` needs a scope with a time axis. Received: "
                f"temporal_group_size={length} for scope={self.scope!r} and inputs of "
                f"rank {len(positions) + 2}"
            )
        if positions[0] is not None and positions[0] % length:
            raise ValueError(
                "`temporal_group_size` must divide the number of frames. Received: "
                f"temporal_group_size={length} for {positions[0]} frames"
            )
        return (length, *(positions[axis] for axis in axes[1:]))

    def key_sizes(self, positions: Sizes) -> Sizes:
        """Returns the sizes of a group's axes after pooling."""
        pools = self.pools(len(positions))
        return tuple(
            None if size is None else size // pool
            for size, pool in zip(self.sizes(positions), pools, strict=True)
        )

    def count(self, positions: Sizes) -> Size:
        """Returns the number of groups in one sample."""
        total, in_group = product(positions), product(self.sizes(positions))
        if self.temporal_group_size is None:
            outside = set(range(len(positions))) - set(self.axes(len(positions)))
            return product(tuple(positions[axis] for axis in outside))
        return None if total is None or in_group is None else total // in_group

    def check(self, positions: Sizes) -> None:
        """Raises an error if the position axes do not fit the groups."""
        if any(size is not None and size < 1 for size in positions):
            raise ValueError(
                "The position axes of `inputs` must not be empty. "
                f"Received: position axes of sizes {positions}"
            )
        for size, pool in zip(
            self.sizes(positions), self.pools(len(positions)), strict=True
        ):
            if size is not None and pool > size:
                raise ValueError(
                    "`pool_size` must not be larger than what it pools. Received: "
                    f"pool_size={self.pool_size} for groups of {self.sizes(positions)} "
                    "positions"
                )

    def split(self, x: Tensor) -> Tensor:
        """Moves the groups into the batch axis.

        Args:
            x: `(batch, *positions, channels)`.

        Returns:
            `(batch * groups, *axes of a group, channels)`.
        """
        batch, *positions, channels = ops.shape(x)
        axes = self.axes(len(positions))
        length = self.temporal_group_size
        if length is not None:
            positions[0] = self._whole_groups(positions[0])
        if len(positions) == 3 and axes == (0,):
            x = ops.transpose(x, (0, 2, 3, 1, 4))
            frames, height, width = positions
            length = length or frames
            groups = batch * height * width * (frames // length)
            return ops.reshape(x, (groups, length, channels))
        if axes == (1, 2):
            return ops.reshape(x, (batch * positions[0], *positions[1:], channels))
        if length is None:
            return x
        groups = batch * (positions[0] // length)
        return ops.reshape(x, (groups, length, *positions[1:], channels))

    def _whole_groups(self, frames: Tensor) -> Tensor:
        """Returns the number of frames, or fails at run time if no whole groups fit.

        `check` sees only the sizes that are known when a graph is built. XLA and LiteRT
        drop assertions. With them, the reshapes in `split` and `flatten_positions`
        fail, because they request fewer elements than there are. A size of -1 would
        instead group frames of different samples.
        """
        length = self.temporal_group_size
        if length is None or isinstance(frames, int):
            return frames
        if keras.backend.backend() != "tensorflow":
            return frames
        from keras_nonlocal.layers.kernels.tensorflow_assertions import multiple_of

        return multiple_of(frames, length, _UNEVEN_GROUPS)

    def merge(self, y: Tensor, shape: Sequence[Tensor]) -> Tensor:
        """Reverses `split`.

        Args:
            y: `(batch * groups, positions of a group, d)`.
            shape: Shape of the tensor that was split. Its channels are ignored.

        Returns:
            `(batch, *positions, d)`.
        """
        width = y.shape[-1]
        if len(shape) == 5 and self.axes(3) == (0,):
            batch, frames, height, columns, _ = shape
            y = ops.reshape(y, (batch, height, columns, frames, width))
            return ops.transpose(y, (0, 3, 1, 2, 4))
        return ops.reshape(y, (*shape[:-1], width))

    def pool(self, x: Tensor, num_axes: int) -> Tensor:
        """Applies max pooling without padding to the result of `split`."""
        pools = self.pools(num_axes)
        if all(pool == 1 for pool in pools):
            return x
        if len(pools) < 3 or pools[0] > 1:
            return _max_pool(x, pools)
        shape = ops.shape(x)
        frames = ops.reshape(x, (shape[0] * shape[1], *shape[2:]))
        pooled = _max_pool(frames, pools[1:])
        return ops.reshape(pooled, (*shape[:2], *ops.shape(pooled)[1:]))

    def around(self, x: Tensor, position: tuple[int, ...]) -> Tensor:
        """Returns the group of a position, `(batch, *axes of a group, channels)`.

        Args:
            x: `(batch, *positions, channels)`.
            position: Indices along the position axes.
        """
        axes = self.axes(len(position))
        length = self.temporal_group_size
        if length is not None:
            self._whole_groups(ops.shape(x)[1])
            start = position[0] - position[0] % length
            x = x[:, start : start + length]
        for axis in reversed(range(len(position))):
            if axis not in axes:
                x = ops.take(x, position[axis], axis=axis + 1)
        return x


def _max_pool(x: Tensor, pools: tuple[int, ...]) -> Tensor:
    """Max pooling that fails at run time if a pool is larger than its axis.

    As in `PositionGroups._whole_groups`, a reshape fails if assertions are dropped,
    because it requests elements that an empty result does not have.
    """
    batch, *sizes, channels = ops.shape(x)
    is_known = all(isinstance(size, int) for size in sizes)
    if is_known or keras.backend.backend() != "tensorflow":
        return ops.max_pool(x, pools, pools, "valid", "channels_last")
    from keras_nonlocal.layers.kernels.tensorflow_assertions import after, at_least

    checks, counts = [], []
    for size, pool in zip(sizes, pools, strict=True):
        if isinstance(size, int):
            counts.append(size // pool)
        else:
            checks.append(at_least(size, pool, _LARGE_POOL))
            counts.append(ops.maximum(size // pool, 1))
    # oneDNN's pooling would fail first, with a message about itself.
    pooled = ops.max_pool(after(checks, x), pools, pools, "valid", "channels_last")
    return ops.reshape(pooled, (batch, *counts, channels))


def flatten_positions(x: Tensor) -> Tensor:
    """Reshapes `(batch, *positions, channels)` to `(batch, N, channels)`."""
    if len(x.shape) == 3:
        return x
    batch, *positions, channels = ops.shape(x)
    return ops.reshape(x, (batch, math.prod(positions), channels))


def product(sizes: Sizes) -> Size:
    """Returns the product of the sizes, or `None` if one of them is `None`."""
    known = [size for size in sizes if size is not None]
    return math.prod(known) if len(known) == len(sizes) else None
