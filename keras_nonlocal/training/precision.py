"""Training in half the precision."""

from typing import Literal

import keras

Precision = Literal["float32", "bfloat16", "float16"]

_POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def precision_policy(precision: Precision) -> keras.DTypePolicy:
    """The Keras policy of a training in that precision.

    Set it before the network is built. Variables, the optimizer, the classifier and
    the loss stay in float32, and a non-local block adds up in float32. `"bfloat16"`
    has the range of float32 and needs nothing else. `"float16"` loses gradients
    below 6e-8: `compile` then scales the loss dynamically
    (`keras.optimizers.LossScaleOptimizer`), and steps whose gradients overflow are
    left out.

    Args:
        precision: `"float32"`, `"bfloat16"` or `"float16"`.

    Returns:
        A `keras.DTypePolicy`.

    Raises:
        ValueError: If there is no such precision.

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
