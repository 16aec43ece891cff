"""Which routes compute the weighted sum, and the choice between them by size."""

from math import prod
from typing import Any

import keras
from keras import ops

from keras_nonlocal.layers.affinity import SOFTMAX_MODES
from keras_nonlocal.layers.sizes import is_known, largest
from keras_nonlocal.tensors import Tensor

_SOFTMAX_ROUTES = ("auto", "naive", "chunked", "fused")
ROUTES = {
    **dict.fromkeys(SOFTMAX_MODES, _SOFTMAX_ROUTES),
    "dot_product": ("auto", "naive", "associative"),
    "concatenation": ("auto", "naive", "sorted"),
}

# Fewer pairs (i, j), summed over the batch, are not worth sorting.
_MIN_PAIRS_TO_SORT = 2**19
# Assumed number of positions where it is unknown when a graph is built.
_ASSUMED_POSITIONS = 2**13
# The number of N×M matrices that a training step holds in memory at once: the weights,
# their gradients and the gradients of the logits. A mask adds masked weights and their
# gradients.
# Measured: tests/layers/test_memory_limit.py.
_MATRICES = {"tensorflow": 3, "jax": 4, "torch": 3}
# In bfloat16, TensorFlow has narrow copies beside matrices in float32.
_MATRICES_IN_BFLOAT16 = {**_MATRICES, "tensorflow": 4}
_MORE_WITH_MASK = 2
_LARGEST_INT32 = 2**31 - 1


def pairs_that_fit(memory_limit: int, dtype: str, has_mask: bool) -> int:
    """Returns the number of pairs whose weights and gradients fit into a limit.

    Args:
        memory_limit: Bytes.
        dtype: The dtype of the weights.
        has_mask: Whether some keys are masked.
    """
    of_backend = _MATRICES_IN_BFLOAT16 if dtype == "bfloat16" else _MATRICES
    matrices = of_backend.get(keras.backend.backend(), 4) + _MORE_WITH_MASK * has_mask
    return memory_limit // (matrices * (8 if dtype == "float64" else 4))


def choose_route(
    mode: str,
    theta_shape: tuple[int | None, ...],
    phi_shape: tuple[int | None, ...],
    width_g: int,
    fit: int,
) -> str:
    """Returns the fastest route of which the memory is within a limit.

    If the batch is not known, the N×M matrix is built only where it is no larger than θ
    and φ, or as far as it fits when the graph runs (`"mixed"`).

    Args:
        mode: One of `MODES`.
        theta_shape: `(batch, N, d)`; all but the widths may be `None`.
        phi_shape: `(batch, M, d)`.
        width_g: Channels of g, d_g.
        fit: Number of pairs that fit into the limit, from `pairs_that_fit`.

    Returns:
        One of `ROUTES[mode]`, but not `"auto"`; or `"mixed"`, see `weighted_sum`.
    """
    sizes: tuple[Any, ...] = (theta_shape[0], theta_shape[1], phi_shape[1])
    pairs = prod(sizes) if all(map(is_known, sizes)) else None
    queries, keys = _assumed(theta_shape[1]), _assumed(phi_shape[1])
    width: int = theta_shape[-1]  # type: ignore[assignment]
    if mode == "dot_product":
        naive = queries * keys * (width + width_g)
        associative = (queries + keys) * width * width_g
        fits = pairs is None or pairs <= fit
        return "naive" if fits and naive <= associative else "associative"
    if mode == "concatenation":
        if pairs is None:
            is_small = 2 * queries * keys <= (queries + keys) * width_g
        else:
            is_small = pairs <= min(fit, _MIN_PAIRS_TO_SORT - 1)
        return "naive" if is_small else "sorted"
    # Only PyTorch's kernel is fast and linear in memory on every device, provided that
    # keys and values have the same width.
    if keras.backend.backend() == "torch" and width == width_g:
        return "fused"
    return "naive" if pairs is not None and pairs <= fit else "mixed"


def rows_that_fit(theta: Tensor, phi: Tensor, fit: int, in_a_chunk: int) -> Tensor:
    """Returns how many rows of the N×M matrix fit into a limit, for the whole batch.

    Args:
        theta: `(batch, N, d)`.
        phi: `(batch, M, d)`.
        fit: Number of pairs that fit into the limit.
        in_a_chunk: Number of pairs that the other rows need, if there are any.

    Returns:
        An integer from 0 to N, or a scalar tensor from 0 to N - 1.
    """
    batch, queries, _ = ops.shape(theta)
    keys = ops.shape(phi)[1]
    known = all(map(is_known, (batch, queries, keys)))
    if not known and keras.backend.backend() != "tensorflow":
        return 0  # JAX exports functions for all sizes.
    # The product of all three sizes may not be an int32.
    all_rows, rows = (
        min(pairs, _LARGEST_INT32) // largest(batch, 1) // largest(keys, 1)
        for pairs in (fit, fit - in_a_chunk)
    )
    if known:
        return queries if all_rows >= queries else rows
    # One row is left for the chunks: not all runtimes reshape tensors without rows.
    return ops.minimum(ops.where(all_rows >= queries, queries, rows), queries - 1)


def _assumed(positions: int | None) -> int:
    return _ASSUMED_POSITIONS if positions is None else positions
