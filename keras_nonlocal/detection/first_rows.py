"""Computation on as many of the first rows as count."""

from collections.abc import Callable
from functools import partial
from typing import Any

from keras import ops

# Fewer are not faster.
_LEAST = 8


def on_first_rows(compute: Callable[[int], Any], count: Any, limit: int) -> Any:
    """Calls `compute` with a quarter, a half, or all of the rows.

    Args:
        compute: Takes a number of rows, of which only the first `count` matter, and
            returns tensors whose shapes do not depend on it.
        count: The number of rows that matter, an integer tensor.
        limit: The number of all rows.

    Returns:
        The result of `compute` for the smallest of the three numbers that is at least
        `count`.
    """
    sizes = [size for size in (limit // 4, limit // 2) if size >= _LEAST]
    if not sizes:
        return compute(limit)
    index = ops.sum(ops.cast(count > ops.convert_to_tensor(sizes), "int32"))
    return ops.switch(index, [partial(compute, size) for size in (*sizes, limit)])
