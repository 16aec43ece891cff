"""Training in half precision."""

from typing import Literal

import keras

Precision = Literal["float32", "bfloat16", "float16"]

_POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def precision_policy(precision: Precision) -> keras.DTypePolicy:
    """Returns the Keras dtype policy for training in the given precision.

    Set it before you build the network. Variables, the optimizer, the classifier and
    the loss stay in float32, and a non-local block sums in float32. `"bfloat16"` has
    the range of float32 and needs no loss scaling. `"float16"` loses gradients below
    6e-8, so `compile` scales the loss dynamically
    (`keras.optimizers.LossScaleOptimizer`) and skips steps whose gradients overflow.

    Args:
        precision: `"float32"`, `"bfloat16"` or `"float16"`.

    Returns:
        A `keras.DTypePolicy`.

    Raises:
        ValueError: If `precision` has another value.

    Example:

    >>> policy = keras_nonlocal.training.precision_policy("bfloat16")
    >>> keras.config.set_dtype_policy(policy)  # doctest: +SKIP
    >>> policy.compute_dtype, policy.variable_dtype
    ('bfloat16', 'float32')

    References:
        [Mixed Precision Training](https://arxiv.org/abs/1710.03740).
    """
    if precision not in _POLICIES:
        raise ValueError(
            f"`precision` must be one of {tuple(_POLICIES)}. "
            f"Received: precision={precision!r}"
        )
    return keras.DTypePolicy(_POLICIES[precision])
