"""Arithmetic with the sizes of tensors, which graphs may know only when they run."""

import keras
from keras import ops

from keras_nonlocal.tensors import Tensor


def is_known(size: Tensor) -> bool:
    """Whether conditions on a size can be evaluated now.

    In graphs of TensorFlow, unknown sizes are `None` or scalar tensors. JAX may export
    functions with symbolic sizes. PyTorch evaluates conditions on all sizes.
    """
    if size is None:
        return False
    return isinstance(size, int) or keras.backend.backend() == "torch"


def least(a: Tensor, b: Tensor) -> Tensor:
    """Returns the smaller of two sizes."""
    if is_known(a) and is_known(b):
        return min(a, b)
    return ops.minimum(a, b)


def largest(a: Tensor, b: Tensor) -> Tensor:
    """Returns the larger of two sizes. A symbolic size counts as the larger one."""
    if is_known(a) and is_known(b):
        return max(a, b)
    return ops.maximum(a, b) if keras.backend.backend() == "tensorflow" else a


def quotient_up(a: Tensor, b: Tensor) -> Tensor:
    """Returns `a / b`, rounded up. Some converters round quotients toward 0."""
    if isinstance(b, int) and b == 1:
        return a
    return (a + b - 1) // b
