"""Values and gradients of functions of tensors on whichever backend is in use."""

import keras
import numpy as np
from keras import ops


def value_and_gradients(function, arrays, upstream):
    """`function(tensors)` and the gradients of `sum(upstream * function(tensors))`.

    Args:
        function: From a dictionary of tensors to one tensor.
        arrays: NumPy arrays by name.
        upstream: Array of the shape of the result, cast to its dtype.

    Returns:
        The value and a dictionary of gradients, as NumPy arrays of at least 32 bits.
    """
    tensors = {name: ops.convert_to_tensor(array) for name, array in arrays.items()}
    differentiate = {
        "tensorflow": _with_tensorflow,
        "jax": _with_jax,
        "torch": _with_torch,
    }[keras.backend.backend()]
    value, gradients = differentiate(function, tensors, upstream)
    return as_numpy(value), {name: as_numpy(x) for name, x in gradients.items()}


def block_value_and_gradients(block, inputs, upstream, training=False):
    """Output of a built block, and gradients of its input and trainable variables."""
    variables = {variable_name(v): v for v in block.trainable_variables}

    def call(tensors):
        mapping = [(variables[name], tensors[name]) for name in variables]
        with keras.StatelessScope(state_mapping=mapping):
            return block(tensors["inputs"], training=training)

    arrays = {name: as_numpy(v.value) for name, v in variables.items()}
    return value_and_gradients(call, {"inputs": inputs, **arrays}, upstream)


def variable_name(variable):
    """`"theta/kernel"` for the kernel of the sublayer `theta` of a block."""
    return variable.path.partition("/")[2]


def as_numpy(tensor):
    """A NumPy array in float32, or in float64 if the tensor is."""
    if keras.backend.standardize_dtype(tensor.dtype) != "float64":
        tensor = ops.cast(tensor, "float32")
    return np.array(ops.convert_to_numpy(tensor))


def assert_gradients_are_close(gradients, expected, tolerance):
    """Allows `tolerance` times the largest gradient of its sublayer, and 0.1 of all.

    With softmax the gradients of θ and φ are differences that cancel where weights
    are nearly one-hot, and that of φ's bias is 0: what is left is rounding of terms as
    large as the other gradients.
    """
    largest = {}
    for name in gradients:
        sublayer = name.partition("/")[0]
        entry = np.max(np.abs(expected[name]))
        largest[sublayer] = max(largest.get(sublayer, 0), entry)
    terms = 0.1 * max(largest.values())
    for name, gradient in gradients.items():
        np.testing.assert_allclose(
            gradient,
            expected[name],
            rtol=0,
            atol=tolerance * (largest[name.partition("/")[0]] + terms),
            err_msg=name,
        )


def _with_tensorflow(function, tensors, upstream):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(tensors)
    gradients = tape.gradient(
        value,
        tensors,
        output_gradients=ops.cast(upstream, value.dtype),
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
    return value, gradients


def _with_jax(function, tensors, upstream):
    import jax

    def differentiate(tensors, upstream):
        value, pull_back = jax.vjp(function, tensors)
        return value, pull_back(ops.cast(upstream, value.dtype))[0]

    # One compilation takes less time than one for each operation, the less the fewer
    # its optimizations.
    quick = {"xla_backend_optimization_level": 0}
    return jax.jit(differentiate, compiler_options=quick)(tensors, upstream)


def _with_torch(function, tensors, upstream):
    import torch

    leaves = {name: x.detach().requires_grad_() for name, x in tensors.items()}
    value = function(leaves)
    gradients = torch.autograd.grad(
        value,
        list(leaves.values()),
        ops.cast(ops.convert_to_tensor(upstream), value.dtype),
        allow_unused=True,
    )
    return value.detach(), {
        name: torch.zeros_like(leaf) if gradient is None else gradient
        for (name, leaf), gradient in zip(leaves.items(), gradients, strict=True)
    }
