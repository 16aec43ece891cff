"""The routes to compute the weighted sum."""

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
from keras_nonlocal.layers.memory_limit import default_memory_limit
from keras_nonlocal.layers.route_choice import (
    choose_route,
    pairs_that_fit,
    rows_that_fit,
)
from keras_nonlocal.layers.sorted_concatenation import relu_weighted_sum
from keras_nonlocal.tensors import Tensor

# More pairs (i, j) in a chunk are not faster.
_PAIRS_IN_A_CHUNK = 6 * 2**20


def weighted_sum(
    theta: Tensor,
    phi: Tensor,
    g: Tensor,
    mode: str,
    scale: float,
    route: str = "auto",
    key_mask: Tensor = None,
    memory_limit: int | None = None,
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
        memory_limit: Bytes, as in `NonLocalBlock`. Defaults to `None`, a share of the
            memory of the device.

    Returns:
        `(batch, N, d_g)`, in float32 if the arguments are narrower, or in their dtype
        if the products themselves sum in float32.
    """
    if key_mask is not None:
        g = ops.where(ops.expand_dims(key_mask, -1), g, ops.zeros((), dtype=g.dtype))
    if memory_limit is None:
        memory_limit = default_memory_limit(theta)
    dtype = keras.backend.standardize_dtype(theta.dtype)
    fit = pairs_that_fit(memory_limit, dtype, key_mask is not None)
    if route == "auto":
        route = choose_route(mode, theta.shape, phi.shape, g.shape[-1], fit)
    if route == "fused" and _kernel_widens(theta.dtype):
        return _fused(theta, phi, g, scale, key_mask)
    if route == "mixed":
        return _mixed(theta, phi, g, mode, scale, key_mask, fit)
    if route == "naive":
        return _naive(theta, phi, g, mode, scale, key_mask)
    theta, phi, g = widened(theta), widened(phi), widened(g)
    if route == "fused":
        return _fused(theta, phi, g, scale, key_mask)
    phi = _scaled(phi, scale)
    if route == "chunked":
        bias = key_bias(key_mask, theta.dtype)
        return softmax_in_chunks(theta, phi, g, _pairs_in_a_chunk(fit), bias)
    keys = averaged(phi, phi, key_mask)
    if route == "associative":
        return ops.matmul(theta, ops.matmul(ops.swapaxes(keys, 1, 2), g))
    return relu_weighted_sum(averaged(theta, phi, key_mask), keys, g)


def _pairs_in_a_chunk(fit: int) -> int:
    return max(min(_PAIRS_IN_A_CHUNK, fit), 1)


def _naive(
    theta: Tensor, phi: Tensor, g: Tensor, mode: str, scale: float, key_mask: Tensor
) -> Tensor:
    if mode in SOFTMAX_MODES and _are_narrow(theta, phi, g):
        from keras_nonlocal.layers.kernels.tensorflow_softmax import (
            softmax_in_bfloat16,
        )

        return softmax_in_bfloat16(theta, phi, g, scale, key_mask)
    theta, phi, g = widened(theta), _scaled(phi, scale), widened(g)
    return ops.matmul(pairwise_weights(theta, phi, mode, key_mask), g)


def _are_narrow(*tensors: Tensor) -> bool:
    """Whether `softmax_in_bfloat16` is meant for these tensors."""
    dtypes = {keras.backend.standardize_dtype(tensor.dtype) for tensor in tensors}
    return keras.backend.backend() == "tensorflow" and dtypes == {"bfloat16"}


def _mixed(
    theta: Tensor,
    phi: Tensor,
    g: Tensor,
    mode: str,
    scale: float,
    key_mask: Tensor,
    fit: int,
) -> Tensor:
    """Keeps the weights of as many rows as fit, and recomputes those of the others."""
    in_a_chunk = _pairs_in_a_chunk(fit // 2)
    rows = rows_that_fit(theta, phi, fit, in_a_chunk)
    keys, values = _scaled(phi, scale), widened(g)
    bias = key_bias(key_mask, keys.dtype)
    if isinstance(rows, int) and rows == 0:
        return softmax_in_chunks(widened(theta), keys, values, in_a_chunk, bias)
    first = _naive(theta[:, :rows], phi, g, mode, scale, key_mask)
    others = softmax_in_chunks(widened(theta[:, rows:]), keys, values, in_a_chunk, bias)
    return ops.concatenate([first, ops.cast(others, first.dtype)], axis=1)


def _scaled(phi: Tensor, scale: float) -> Tensor:
    """Returns the keys, the smaller factor of the logits in a block, with the scale."""
    return widened(phi) * scale if scale != 1 else widened(phi)


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
