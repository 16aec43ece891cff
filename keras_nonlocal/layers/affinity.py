"""The four pairwise functions, computed as an explicit N×M matrix of weights."""

from typing import Any

import keras
from keras import ops

from keras_nonlocal.tensors import Tensor

SOFTMAX_MODES = ("gaussian", "embedded_gaussian")
MODES = (*SOFTMAX_MODES, "dot_product", "concatenation")


def pairwise_weights(
    theta: Tensor, phi: Tensor, mode: str, key_mask: Tensor = None
) -> Tensor:
    """Returns the weights `f(x_i, x_j) / C(x)` of all pairs of positions.

    Args:
        theta: Queries, `(batch, N, d)`, multiplied by the scale of the logits, if any;
            `a_i = w_fᵀ [θ_i, 0]`, `(batch, N, 1)`, for `"concatenation"`.
        phi: Keys, `(batch, M, d)`; `b_j = w_fᵀ [0, φ_j]`, `(batch, M, 1)`, for
            `"concatenation"`.
        mode: One of `MODES`.
        key_mask: Booleans, `(batch, M)`: the keys that have weights and count in
            `C(x)`. Defaults to `None`, all keys.

    Returns:
        `(batch, N, M)`. The division by the number of keys precedes the product, which
        keeps the sum over j in range.
    """
    keys = ops.swapaxes(phi, 1, 2)
    if mode in SOFTMAX_MODES:
        weights = softmax_over_keys(
            ops.matmul(theta, keys), key_bias(key_mask, theta.dtype)
        )
    elif mode == "dot_product":
        weights = ops.matmul(averaged(theta, phi, key_mask), keys)
    else:
        theta = averaged(theta, phi, key_mask)
        weights = ops.relu(theta + averaged(keys, phi, key_mask))
    if key_mask is None:
        return weights
    return ops.where(ops.expand_dims(key_mask, 1), weights, 0.0)


def pair_term(x: Tensor, projection: Tensor, w: Tensor) -> Tensor:
    """Returns `wᵀ projection(x)`, computed with the product of the two kernels.

    Args:
        x: `(batch, positions, channels)`.
        projection: A `keras.layers.Dense` with d units.
        w: Half of w_f, `(d, 1)`.

    Returns:
        `(batch, positions, 1)`.
    """
    x = widened(x)
    w = ops.cast(w, x.dtype)
    if getattr(projection, "quantization_mode", None) is not None:
        # A quantized kernel holds integers, whose scale only the layer knows.
        return ops.matmul(ops.cast(projection(x), x.dtype), w)
    term = ops.matmul(x, ops.matmul(ops.cast(projection.kernel, x.dtype), w))
    if projection.bias is None:
        return term
    return term + ops.matmul(ops.cast(projection.bias, x.dtype), w)


def softmax_over_keys(logits: Tensor, bias: Tensor = None) -> Tensor:
    """Returns the softmax over the last axis of `(batch, N, M)`.

    Args:
        logits: `(batch, N, M)`.
        bias: Bias to add to the logits, `(batch, 1, M)`, or `None`.
    """
    if logits.shape[-1] == 1:
        # The weight is 1 and the gradient is 0. `ops.softmax` would warn about a single
        # key.
        return ops.exp(logits - logits)
    return ops.softmax(logits if bias is None else logits + bias, axis=-1)


def key_bias(key_mask: Tensor, dtype: Any) -> Tensor:
    """Returns the bias of the logits that gives masked keys no weight.

    It is finite, so all weights are equal instead of NaN if all keys are masked.
    Callers set the values of masked keys to zero.

    Args:
        key_mask: Booleans, `(batch, M)`, or `None`.
        dtype: Dtype of the logits, at least float32.

    Returns:
        `(batch, 1, M)`, or `None` without a mask.
    """
    if key_mask is None:
        return None
    return ops.cast(ops.where(ops.expand_dims(key_mask, 1), 0.0, -1e30), dtype)


def averaged(x: Tensor, phi: Tensor, key_mask: Tensor = None) -> Tensor:
    """Returns `x` divided by the number of keys.

    Args:
        x: `(batch, …, …)`.
        phi: Keys, `(batch, M, d)`.
        key_mask: Booleans, `(batch, M)`: the keys that count. Defaults to `None`, all
            keys.
    """
    if key_mask is not None:
        count = ops.sum(ops.cast(key_mask, x.dtype), axis=1)
        return x / ops.reshape(ops.maximum(count, 1), (-1, 1, 1))
    count = ops.shape(phi)[1]
    return x / (count if isinstance(count, int) else ops.cast(count, x.dtype))


def widened(x: Tensor) -> Tensor:
    """Returns `x` in float32 if its dtype is narrower.

    Exponentials, sums over thousands of positions and products that are not normalized
    exceed the range or precision of 16 bits.
    """
    narrow = keras.backend.standardize_dtype(x.dtype) in ("float16", "bfloat16")
    return ops.cast(x, "float32") if narrow else x
