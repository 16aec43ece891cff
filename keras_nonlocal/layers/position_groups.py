"""Which positions see each other, and at which of them φ and g are computed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

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


@dataclass(frozen=True)
class PositionGroups:
    """Groups of positions that see each other, as reshapes of channels-last tensors.

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
        """The position axes, counted from 0, that a group spans."""
        if self.scope not in _GROUP_AXES[num_axes]:
            raise ValueError(
                "`scope` must name axes that the inputs have: inputs of rank 3 have "
                "time and no space, inputs of rank 4 space and no time. "
                f"Received: scope={self.scope!r} for inputs of rank {num_axes + 2}"
            )
        return _GROUP_AXES[num_axes][self.scope]

    def pools(self, num_axes: int) -> tuple[int, ...]:
        """One pool size for each axis of a group."""
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
        """Sizes of the axes of one group, given those of the position axes."""
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
        """Sizes of the axes of one group after pooling."""
        pools = self.pools(len(positions))
        return tuple(
            None if size is None else size // pool
            for size, pool in zip(self.sizes(positions), pools, strict=True)
        )

    def count(self, positions: Sizes) -> Size:
        """Number of groups in one example."""
        total, in_group = product(positions), product(self.sizes(positions))
        if self.temporal_group_size is None:
            outside = set(range(len(positions))) - set(self.axes(len(positions)))
            return product(tuple(positions[axis] for axis in outside))
        return None if total is None or in_group is None else total // in_group

    def check(self, positions: Sizes) -> None:
        """Raises where the position axes do not suit the groups."""
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

    def split(self, x: Any) -> Any:
        """Moves the groups into the batch axis.

        Args:
            x: `(batch, *positions, channels)`.

        Returns:
            `(batch * groups, *axes of a group, channels)`.
        """
        shape = ops.shape(x)
        axes = self.axes(len(shape) - 2)
        if len(shape) == 5 and axes == (0,):
            x = ops.transpose(x, (0, 2, 3, 1, 4))
            return ops.reshape(x, (-1, self.temporal_group_size or shape[1], shape[4]))
        if axes == (1, 2):
            return ops.reshape(x, (-1, *shape[2:]))
        if self.temporal_group_size is None:
            return x
        return ops.reshape(x, (-1, self.temporal_group_size, *shape[2:]))

    def merge(self, y: Any, shape: Sequence[Any]) -> Any:
        """Undoes `split`.

        Args:
            y: `(batch * groups, positions of a group, d)`.
            shape: That of the tensor that was split; its channels do not count.

        Returns:
            `(batch, *positions, d)`.
        """
        width = y.shape[-1]
        if len(shape) == 5 and self.axes(3) == (0,):
            _, frames, height, columns, _ = shape
            y = ops.reshape(y, (-1, height, columns, frames, width))
            return ops.transpose(y, (0, 3, 1, 2, 4))
        return ops.reshape(y, (-1, *shape[1:-1], width))

    def pool(self, x: Any, num_axes: int) -> Any:
        """Max pooling of what `split` returned, without padding, stride = size."""
        pools = self.pools(num_axes)
        if all(pool == 1 for pool in pools):
            return x
        if len(pools) < 3 or pools[0] > 1:
            return ops.max_pool(x, pools, pools, "valid", "channels_last")
        shape = ops.shape(x)
        frames = ops.reshape(x, (-1, *shape[2:]))
        frames = ops.max_pool(frames, pools[1:], pools[1:], "valid", "channels_last")
        return ops.reshape(frames, (-1, shape[1], *ops.shape(frames)[1:]))

    def around(self, x: Any, position: tuple[int, ...]) -> Any:
        """The group that a position belongs to: `(batch, *axes of a group, channels)`.

        Args:
            x: `(batch, *positions, channels)`.
            position: Indices along the position axes.
        """
        axes = self.axes(len(position))
        length = self.temporal_group_size
        if length is not None:
            start = position[0] - position[0] % length
            x = x[:, start : start + length]
        for axis in reversed(range(len(position))):
            if axis not in axes:
                x = ops.take(x, position[axis], axis=axis + 1)
        return x


def flatten_positions(x: Any) -> Any:
    """`(batch, *positions, channels)` → `(batch, N, channels)`."""
    if len(x.shape) == 3:
        return x
    shape = ops.shape(x)
    return ops.reshape(x, (-1, math.prod(shape[1:-1]), shape[-1]))


def product(sizes: Sizes) -> Size:
    """The product of the sizes, `None` if one of them is `None`."""
    known = [size for size in sizes if size is not None]
    return math.prod(known) if len(known) == len(sizes) else None
