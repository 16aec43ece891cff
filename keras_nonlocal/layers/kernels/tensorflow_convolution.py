"""Gradients of 2D kernels as products of matrices."""

from typing import Any

import tensorflow as tf

from keras_nonlocal.layers.kernels.tensorflow_memory import has_accelerator
from keras_nonlocal.tensors import Tensor


def is_slow_here() -> bool:
    """Whether the kernel of oneDNN for these gradients is in use."""
    return not has_accelerator()


def convolve(x: Tensor, kernel: Tensor) -> Tensor:
    """Convolves maps; see `keras_nonlocal.layers.map_convolution`.

    Args:
        x: The maps, `(batch, height, width, channels)`.
        kernel: `(rows, columns, channels, filters)` with odd numbers of rows and
            columns.

    Returns:
        `(batch, height, width, filters)`.
    """
    return _convolve(x, tf.convert_to_tensor(kernel))


@tf.custom_gradient
def _convolve(x: Tensor, kernel: Tensor) -> tuple[Tensor, Any]:
    def gradients(upstream: Tensor) -> tuple[Tensor, Tensor]:
        to_inputs = tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.shape(x),
            filter=kernel,
            out_backprop=upstream,
            strides=[1, 1, 1, 1],
            padding="SAME",
        )
        return to_inputs, _kernel_gradient(x, upstream, kernel.shape)

    return tf.nn.conv2d(x, kernel, 1, "SAME"), gradients


def _kernel_gradient(
    x: Tensor, upstream: Tensor, shape: tuple[int, int, int, int]
) -> Tensor:
    rows, columns, channels, filters = shape
    height, width = tf.unstack(tf.shape(x)[1:3])
    padded = tf.pad(x, [[0, 0], [rows // 2] * 2, [columns // 2] * 2, [0, 0]])
    gradient = tf.reshape(upstream, (-1, filters))
    products: list[Tensor] = []
    for row in range(rows):
        for column in range(columns):
            # One shifted copy of the maps exists at a time.
            with tf.control_dependencies(products[-1:]):
                shifted = padded[:, row : row + height, column : column + width]
                shifted = tf.reshape(shifted, (-1, channels))
            products.append(tf.matmul(shifted, gradient, transpose_a=True))
    return tf.reshape(tf.stack(products), shape)
