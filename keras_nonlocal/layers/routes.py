"""The routes to compute the weighted sum, and the choice between them by size."""

from typing import Any

import keras
from keras import ops

from keras_nonlocal.layers.affinity import (
    SOFTMAX_MODES,
    averaged,
    key_bias,
    pairwise_weights,
    widened,
)
from keras_nonlocal.layers.chunked_softmax import pad_with_zeros, softmax_in_chunks
from keras_nonlocal.layers.sorted_concatenation import relu_weighted_sum
from keras_nonlocal.tensors import Tensor

_SOFTMAX_ROUTES = ("auto", "naive", "chunked", "fused")
ROUTES = {
    **dict.fromkeys(SOFTMAX_MODES, _SOFTMAX_ROUTES),
    "dot_product": ("auto", "naive", "associative"),
    "concatenation": ("auto", "naive", "sorted"),
}

# Numbers of pairs (i, j), summed over the batch.
_MAX_PAIRS_AT_ONCE = 2**24  # 64 MiB of float32.
_PAIRS_IN_A_CHUNK = 6 * 2**20
_MIN_PAIRS_TO_SORT = 2**19
# Matrix products are slow with fewer rows per chunk.
_MIN_ROWS_IN_A_CHUNK = 64
# Assumed values of sizes that are unknown when a graph is built.
_ASSUMED_BATCH = 4
_ASSUMED_POSITIONS = 2**13


def weighted_sum(
    theta: Tensor,
    phi: Tensor,
    g: Tensor,
    mode: str,
    scale: float,
    route: str = "auto",
    key_mask: Tensor = None,
) -> Tensor:
    """Computes `Σ_j f(x_i, x_j) / C(x) g_j` by the given route.

    Args:
        theta: `(batch, N, d)`, or `(batch, N, 1)` for `"concatenation"`, as in
            `pairwise_weights`.
        phi: `(batch, M, d)` or `(batch, M, 1)`.
        g: `(batch, M, d_g)`.
        mode: One of `MODES`.
        scale: Factor of the logits of the softmax modes.
        route: One of `ROUTES[mode]`.
        key_mask: Booleans, `(batch, M)`: the keys to sum over. The other keys need
            finite values in `phi`. Defaults to `None`, all keys.

    Returns:
        `(batch, N, d_g)`, in float32 if the arguments are narrower, or in their dtype
        if the kernel of the fused route itself sums in float32.
    """
    if route == "auto":
        route = choose_route(mode, theta.shape, phi.shape, g.shape[-1])
    if key_mask is not None:
        g = ops.where(ops.expand_dims(key_mask, -1), g, ops.zeros((), dtype=g.dtype))
    if route == "fused" and _kernel_widens(theta.dtype):
        return _fused(theta, phi, g, scale, key_mask)
    theta, phi, g = widened(theta), widened(phi), widened(g)
    if route == "fused":
        return _fused(theta, phi, g, scale, key_mask)
    if scale != 1:
        phi = phi * scale  # The smaller of the two in a block.
    if route == "chunked":
        bias = key_bias(key_mask, theta.dtype)
        return softmax_in_chunks(theta, phi, g, _rows_in_a_chunk(theta, phi), bias)
    if route == "naive":
        return ops.matmul(pairwise_weights(theta, phi, mode, key_mask), g)
    keys = averaged(phi, phi, key_mask)
    if route == "associative":
        return ops.matmul(theta, ops.matmul(ops.swapaxes(keys, 1, 2), g))
    return relu_weighted_sum(averaged(theta, phi, key_mask), keys, g)


def choose_route(
    mode: str,
    theta_shape: tuple[int | None, ...],
    phi_shape: tuple[int | None, ...],
    width_g: int,
) -> str:
    """Returns the cheapest route. If N·M is large, its memory is linear in N.

    Args:
        mode: One of `MODES`.
        theta_shape: `(batch, N, d)`; all but the widths may be `None`.
        phi_shape: `(batch, M, d)`.
        width_g: Channels of g, d_g.

    Returns:
        One of `ROUTES[mode]`, never `"auto"`.
    """
    batch, queries, keys = _known_sizes(theta_shape, phi_shape)
    pairs = batch * queries * keys
    width: int = theta_shape[-1]  # type: ignore[assignment]
    if mode == "dot_product":
        naive = queries * keys * (width + width_g)
        associative = (queries + keys) * width * width_g
        return "associative" if associative < naive else "naive"
    if mode == "concatenation":
        return "sorted" if pairs >= _MIN_PAIRS_TO_SORT else "naive"
    # Only PyTorch's kernel is fast and linear in memory on every device, provided that
    # keys and values have the same width.
    if keras.backend.backend() == "torch" and width == width_g:
        return "fused"
    return "chunked" if pairs > _MAX_PAIRS_AT_ONCE else "naive"


def _known_sizes(
    theta_shape: tuple[int | None, ...], phi_shape: tuple[int | None, ...]
) -> tuple[int, int, int]:
    """Returns the batch size, N and M, or assumed values."""
    return (
        _ASSUMED_BATCH if theta_shape[0] is None else theta_shape[0],
        _ASSUMED_POSITIONS if theta_shape[1] is None else theta_shape[1],
        _ASSUMED_POSITIONS if phi_shape[1] is None else phi_shape[1],
    )


def _rows_in_a_chunk(theta: Tensor, phi: Tensor) -> Tensor:
    batch, _, keys = _known_sizes(theta.shape, phi.shape)
    rows = max(_PAIRS_IN_A_CHUNK // max(batch * keys, 1), _MIN_ROWS_IN_A_CHUNK)
    count = ops.shape(theta)[1]
    if not isinstance(count, int):
        return ops.minimum(rows, count)
    # Chunks of equal size need the least padding.
    return -(-count // -(-count // rows))


def _kernel_widens(dtype: Any) -> bool:
    """Whether the backend's attention kernel itself sums in float32."""
    backend = keras.backend.backend()
    # On CPUs, XLA has no matrix product of float16 with a float32 result.
    if backend == "jax":
        return keras.backend.standardize_dtype(dtype) != "float16"
    return backend == "torch"


def _fused(
    theta: Tensor, phi: Tensor, g: Tensor, scale: float, key_mask: Tensor
) -> Tensor:
    """Calls the backend's attention kernel, which needs keys as wide as the values."""
    width, width_g = theta.shape[-1], g.shape[-1]
    one_head = (
        ops.expand_dims(pad_with_zeros(x, 2, max(width, width_g) - x.shape[-1]), 2)
        for x in (theta, phi, g)
    )
    mask = None
    if key_mask is not None:
        # Kernels return NaN if all keys are masked. With no mask, the sum is zero,
        # because the values of masked keys are zero.
        mask = key_mask | ops.logical_not(ops.any(key_mask, axis=1, keepdims=True))
        mask = mask[:, None, None]
    y = ops.dot_product_attention(*one_head, mask=mask, scale=scale)
    return ops.squeeze(y, 2)[..., :width_g]
