"""Checks of the arguments and the input shape of `NonLocalBlock`."""

from collections.abc import Sequence

from keras_nonlocal.layers.position_groups import SCOPES, group_axes

NORMALIZATIONS = ("batch", "frozen_batch", None)

Size = int | None


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Raises where `value` is not one of `choices`."""
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {tuple(choices)}. Received: {name}={value!r}"
        )


def check_positive_int(name: str, value: object) -> None:
    """Raises where `value` is not an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(
            f"`{name}` must be a positive integer. Received: {name}={value!r}"
        )


def standardize_pool_size(
    pool_size: int | Sequence[int] | None,
) -> int | tuple[int, ...] | None:
    """Checks `pool_size` as far as it can be without an input shape."""
    if pool_size is None:
        return None
    if isinstance(pool_size, (list, tuple)):
        sizes = tuple(pool_size)
        if not 1 <= len(sizes) <= 3:
            raise ValueError(
                "`pool_size` must have one entry per position axis, that is 1 to 3 "
                f"entries. Received: pool_size={pool_size!r}"
            )
    else:
        sizes = (pool_size,)
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(
                "`pool_size` must be a positive integer or a tuple of them. "
                f"Received: pool_size={pool_size!r}"
            )
    return sizes if isinstance(pool_size, (list, tuple)) else sizes[0]


def position_sizes(input_shape: Sequence[Size], data_format: str) -> tuple[Size, ...]:
    """Sizes of the position axes of `(batch, …)`."""
    sizes = input_shape[1:-1] if data_format == "channels_last" else input_shape[2:]
    return tuple(sizes)


def input_channels(input_shape: Sequence[Size], data_format: str) -> int:
    """Number of channels, after checking that rank and channels are usable."""
    shape = tuple(input_shape)
    if not 3 <= len(shape) <= 5:
        raise ValueError(
            "`inputs` of NonLocalBlock must have rank 3, 4 or 5: a batch axis, one to "
            f"three position axes and a channel axis. Received: inputs.shape={shape}"
        )
    channels = shape[-1 if data_format == "channels_last" else 1]
    if channels is None or channels < 1:
        raise ValueError(
            "The channel axis of `inputs` must have a known size of at least 1. "
            f"Received: inputs.shape={shape} (data_format={data_format!r})"
        )
    return channels


def pool_sizes(
    pool_size: int | tuple[int, ...] | None, rank: int, scope: str
) -> tuple[int, ...]:
    """One pool size per position axis of a group.

    An integer pools the axes that `scope` looks at, except time where there are
    space axes beside it.
    """
    axes = group_axes(rank, scope)
    if pool_size is None:
        return (1,) * len(axes)
    if isinstance(pool_size, int):
        time_beside_space = rank == 5 and len(axes) == 3
        return tuple(
            1 if time_beside_space and axis == 0 else pool_size for axis in axes
        )
    if len(pool_size) != rank - 2:
        raise ValueError(
            f"`pool_size` must have one entry per position axis, that is {rank - 2} "
            f"for inputs of rank {rank}. Received: pool_size={pool_size}"
        )
    if any(p > 1 for axis, p in enumerate(pool_size) if axis not in axes):
        raise ValueError(
            f"`pool_size` must be 1 along the axes that scope={scope!r} does not look "
            f"across. Received: pool_size={pool_size}"
        )
    return tuple(pool_size[axis] for axis in axes)


def group_sizes(
    positions: tuple[Size, ...], scope: str, temporal_group_size: int | None
) -> tuple[Size, ...]:
    """Sizes of the position axes of one group, after checking that groups fit."""
    rank = len(positions) + 2
    axes = group_axes(rank, scope)
    if temporal_group_size is None:
        return tuple(positions[axis] for axis in axes)
    if 0 not in axes or rank == 4:
        raise ValueError(
            "`temporal_group_size` needs a time axis that attention runs across: "
            "inputs of rank 3 or 5 and a scope other than 'space'. Received: "
            f"temporal_group_size={temporal_group_size} for inputs of rank {rank} and "
            f"scope={scope!r}"
        )
    frames = positions[0]
    if frames is not None and frames % temporal_group_size:
        raise ValueError(
            "`temporal_group_size` must divide the number of frames. Received: "
            f"temporal_group_size={temporal_group_size} for {frames} frames"
        )
    return (temporal_group_size, *(positions[axis] for axis in axes[1:]))


def check_positions(
    positions: tuple[Size, ...],
    scope: str,
    temporal_group_size: int | None,
    pool_size: int | tuple[int, ...] | None,
) -> None:
    """Raises where the position axes do not suit the block's arguments."""
    check_choice("scope", scope, SCOPES)
    sizes = group_sizes(positions, scope, temporal_group_size)
    pools = pool_sizes(pool_size, len(positions) + 2, scope)
    for size, pool in zip(sizes, pools, strict=True):
        if size is not None and not pool <= size:
            raise ValueError(
                "`pool_size` must not be larger than the positions it pools. Received: "
                f"pool_size={pool_size} for position axes of sizes {sizes}"
            )
