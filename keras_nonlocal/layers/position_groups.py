"""Which positions see each other: scopes and temporal groups as reshapes."""

from typing import Any

from keras import ops

SCOPES = ("spacetime", "space", "time")

# Rank of the inputs -> scope -> position axes that a group of positions spans.
# Axis 0 of a signal and of a video is time; images have no time axis.
_GROUP_AXES: dict[int, dict[str, tuple[int, ...]]] = {
    3: {"spacetime": (0,), "time": (0,)},
    4: {"spacetime": (0, 1), "space": (0, 1)},
    5: {"spacetime": (0, 1, 2), "space": (1, 2), "time": (0,)},
}


def group_axes(rank: int, scope: str) -> tuple[int, ...]:
    """Position axes, counted from 0, that a position sees others along."""
    if scope not in _GROUP_AXES[rank]:
        raise ValueError(
            f"Inputs of rank {rank} have no axis that `scope` could run along: signals "
            "have no space axis, images no time axis. "
            f"Received: scope={scope!r}"
        )
    return _GROUP_AXES[rank][scope]


def split_into_groups(x: Any, scope: str, group_size: int | None) -> Any:
    """Moves groups of positions that do not see each other into the batch axis.

    Args:
        x: `(batch, *positions, channels)`.
        scope: One of `SCOPES`.
        group_size: Number of frames in a temporal group, or `None`.

    Returns:
        `(batch * groups, *positions of a group, channels)`.
    """
    shape = ops.shape(x)
    if len(shape) == 5 and scope == "space":
        return ops.reshape(x, (-1, *shape[2:]))
    if len(shape) == 5 and scope == "time":
        x = ops.transpose(x, (0, 2, 3, 1, 4))
        return ops.reshape(x, (-1, group_size or shape[1], shape[4]))
    if group_size is None:
        return x
    return ops.reshape(x, (-1, group_size, *shape[2:]))


def merge_groups(y: Any, shape: tuple[Any, ...], scope: str) -> Any:
    """Undoes `split_into_groups` for `(batch * groups, …, d)`.

    Args:
        y: The grouped tensor; the positions of a group may be flattened.
        shape: Shape of the ungrouped tensor; its channels are not looked at.
        scope: One of `SCOPES`.

    Returns:
        `(batch, *positions, d)`.
    """
    channels = y.shape[-1]
    if len(shape) == 5 and scope == "time":
        _, frames, height, width, _ = shape
        y = ops.reshape(y, (-1, height, width, frames, channels))
        return ops.transpose(y, (0, 3, 1, 2, 4))
    return ops.reshape(y, (-1, *shape[1:-1], channels))


def max_pool_positions(x: Any, pools: tuple[int, ...]) -> Any:
    """Max pooling with stride = size and no padding.

    Args:
        x: `(batch, *positions, channels)`.
        pools: One size per position axis.
    """
    if all(pool == 1 for pool in pools):
        return x
    if len(pools) < 3 or pools[0] > 1:
        return ops.max_pool(x, pools, pools, "valid", "channels_last")
    shape = ops.shape(x)
    frames = ops.reshape(x, (-1, *shape[2:]))
    frames = ops.max_pool(frames, pools[1:], pools[1:], "valid", "channels_last")
    return ops.reshape(frames, (-1, shape[1], *ops.shape(frames)[1:]))


def flatten_positions(x: Any) -> Any:
    """`(batch, *positions, channels)` → `(batch, positions, channels)`."""
    if len(x.shape) == 3:
        return x
    shape = ops.shape(x)
    count = shape[1] * shape[2]
    if len(shape) == 5:
        count = count * shape[3]
    return ops.reshape(x, (-1, count, shape[-1]))
