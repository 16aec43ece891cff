"""The type of tensors in annotations."""

from typing import Any, TypeAlias

# A tensor of Keras's backend (TensorFlow, JAX or PyTorch), a NumPy array that Keras
# converts to one, or a `keras.KerasTensor`. Keras and the backends have no common type.
Tensor: TypeAlias = Any
