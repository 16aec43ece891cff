"""The losses of a detector, in float32."""

from typing import Any

import keras
from keras import ops


def smooth_l1(difference: Any, beta: float) -> Any:
    """Returns a square up to `beta` and a line beyond; 0 is the absolute value.

    Args:
        difference: Any shape.
        beta: Transition from the quadratic to the linear part.

    Returns:
        The shape of `difference`.
    """
    absolute = ops.abs(difference)
    if beta <= 0:
        return absolute
    square = 0.5 * absolute**2 / beta
    return ops.where(absolute < beta, square, absolute - 0.5 * beta)


def sigmoid_cross_entropy(logits: Any, targets: Any) -> Any:
    """Binary cross-entropy of each logit, of the shape of `logits`."""
    return ops.maximum(logits, 0) - logits * targets + ops.softplus(-ops.abs(logits))


def softmax_cross_entropy(logits: Any, labels: Any) -> Any:
    """Cross-entropy of each row of logits.

    Args:
        logits: Shape `(…, classes)`.
        labels: Index of the class, shape `(…,)`.

    Returns:
        Shape `(…,)`.
    """
    log_shares = ops.log_softmax(logits, axis=-1)
    chosen = ops.take_along_axis(log_shares, labels[..., None], axis=-1)
    return -chosen[..., 0]


def masked_sum(values: Any, is_counted: Any) -> Any:
    """Returns the sum of the unmasked values. Masked values may be NaN."""
    return ops.sum(ops.where(is_counted, values, 0.0))


def masked_mean(values: Any, is_counted: Any) -> Any:
    """Returns the mean of the unmasked values, or 0 if there are none."""
    count = ops.sum(ops.cast(is_counted, values.dtype))
    return masked_sum(values, is_counted) / ops.maximum(count, 1)


def as_float32(values: Any) -> Any:
    """All tensors of a structure in `float32`, as losses and boxes need them."""
    return keras.tree.map_structure(lambda value: ops.cast(value, "float32"), values)
