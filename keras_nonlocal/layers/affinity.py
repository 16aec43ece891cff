"""The four pairwise functions, written out as an N×M matrix of weights."""

from typing import Any

import keras
from keras import ops

SOFTMAX_MODES = ("gaussian", "embedded_gaussian")
MODES = (*SOFTMAX_MODES, "dot_product", "concatenation")


def pairwise_weights(theta: Any, phi: Any, mode: str) -> Any:
    """Weights `f(x_i, x_j) / C(x)` of all pairs of positions.

    Args:
        theta: Queries, `(batch, N, d)`, times the scale of the logits if there is one;
            `a_i = w_fᵀ [θ_i, 0]`, `(batch, N, 1)`, for `"concatenation"`.
        phi: Keys, `(batch, M, d)`; `b_j = w_fᵀ [0, φ_j]`, `(batch, M, 1)`, for
            `"concatenation"`.
        mode: One of `MODES`.

    Returns:
        `(batch, N, M)`. The division by M comes before the product, so that the sum
        over j stays in range.
    """
    keys = ops.swapaxes(phi, 1, 2)
    if mode in SOFTMAX_MODES:
        return softmax_over_keys(ops.matmul(theta, keys))
    theta = averaged(theta, phi)
    if mode == "dot_product":
        return ops.matmul(theta, keys)
    return ops.relu(theta + averaged(keys, phi))


def pair_term(x: Any, projection: Any, w: Any) -> Any:
    """`wᵀ projection(x)` without the projection, by multiplying the two kernels first.

    Args:
        x: `(batch, positions, channels)`.
        projection: A `keras.layers.Dense` with d units.
        w: Half of w_f, `(d, 1)`.

    Returns:
        `(batch, positions, 1)`.
    """
    x = widened(x)
    w = ops.cast(w, x.dtype)
    term = ops.matmul(x, ops.matmul(ops.cast(projection.kernel, x.dtype), w))
    if projection.bias is None:
        return term
    return term + ops.matmul(ops.cast(projection.bias, x.dtype), w)


def softmax_over_keys(logits: Any) -> Any:
    """Softmax over the last axis of `(batch, N, M)`."""
    if logits.shape[-1] == 1:
        # The weight 1 and the gradient 0; `ops.softmax` takes a single key for a
        # mistake and warns.
        return ops.exp(logits - logits)
    return ops.softmax(logits, axis=-1)


def averaged(x: Any, phi: Any) -> Any:
    """`x / M`, where M is the number of positions of `phi`, `(batch, M, d)`."""
    count = ops.shape(phi)[1]
    return x / (count if isinstance(count, int) else ops.cast(count, x.dtype))


def widened(x: Any) -> Any:
    """`x` in float32 where its dtype is narrower: exponentials, sums over thousands of
    positions and unnormalised products leave the range or precision of 16 bits."""
    narrow = keras.backend.standardize_dtype(x.dtype) in ("float16", "bfloat16")
    return ops.cast(x, "float32") if narrow else x
