"""Masks of padded positions, which have no weight and do not count in N.

A masked position is not a key of any query, and the block adds nothing to it. Its
content is replaced before any computation, so it may be infinite or NaN.
"""

from collections.abc import Sequence

from keras import ops

from keras_nonlocal.layers.position_groups import PositionGroups, flatten_positions
from keras_nonlocal.tensors import Tensor


def check_mask(shape: Sequence[int | None], positions: Sequence[int | None]) -> None:
    """Raises an error if a mask does not fit inputs with the given position axes."""
    axes = shape[1:]
    fits = len(shape) >= 2 and len(axes) <= len(positions)
    if not fits or not all(
        size is None or own is None or own in (1, size)
        for own, size in zip(axes, positions, strict=False)
    ):
        raise ValueError(
            "`mask` must have a batch axis and the first position axes of `inputs`. "
            f"Received: mask.shape={tuple(shape)} for position axes of sizes "
            f"{tuple(positions)}"
        )


def position_mask(mask: Tensor, x: Tensor) -> Tensor:
    """Returns one Boolean per position.

    Args:
        mask: `(batch, …)` with the first position axes of `x`. Nonzero values are true.
        x: `(batch, *positions, channels)`.

    Returns:
        `(batch, *positions, 1)`.
    """
    mask = ops.cast(ops.convert_to_tensor(mask), "bool")
    for _ in range(len(x.shape) - len(mask.shape)):
        mask = ops.expand_dims(mask, -1)
    return ops.broadcast_to(mask, (*ops.shape(x)[:-1], 1))


def zeros_where_masked(x: Tensor, mask: Tensor) -> Tensor:
    """Returns `x` with zeros where the Boolean `mask`, which is broadcast, is false."""
    return ops.where(mask, x, ops.zeros((), dtype=x.dtype))


def pooled_keys(
    groups: PositionGroups, x: Tensor, mask: Tensor, num_axes: int
) -> tuple[Tensor, Tensor]:
    """Applies max pooling that ignores masked positions.

    Args:
        groups: The groups of the block.
        x: `(batch, *axes of a group, channels)`.
        mask: `(batch, *axes of a group, 1)`.
        num_axes: Number of position axes of the input.

    Returns:
        The keys, `(batch, M, channels)`, zero where they are masked, and their mask,
        `(batch, M)`. A key is masked if all positions of its pool are.
    """
    lowest = ops.cast(float("-inf"), x.dtype)
    keys = groups.pool(ops.where(mask, x, lowest), num_axes)
    key_mask = groups.pool(ops.cast(mask, x.dtype), num_axes) > 0
    keys = flatten_positions(zeros_where_masked(keys, key_mask))
    return keys, flatten_positions(key_mask)[..., 0]
