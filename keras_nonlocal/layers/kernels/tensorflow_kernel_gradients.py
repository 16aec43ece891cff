"""Gradients of the kernels of clips as products of matrices.

On CPUs, oneDNN takes several times as long for some of them as for the products of
matrices that they consist of: those of kernels over frames, and in bfloat16 also those
of kernels over single positions or over many channels.
"""

from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from keras_nonlocal.layers.kernels.tensorflow_convolution import is_slow_here
from keras_nonlocal.tensors import Tensor

Triple = tuple[int, int, int]
# With fewer channels, shifted copies of the pictures take longer than oneDNN.
_MIN_CHANNELS = 256


def convolve_for_training(
    convolve: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    kernel: Tensor,
    strides: Triple,
    padding: str,
) -> Tensor:
    """Returns `convolve(x, kernel)`, with the faster gradient of the kernel.

    Args:
        convolve: A convolution of clips.
        x: `(batch, frames, height, width, channels)`.
        kernel: `(frames, height, width, channels, filters)`.
        strides: Of frames, rows and columns.
        padding: `"valid"` or `"same"`.
    """
    kernel = tf.convert_to_tensor(kernel)
    # Only in a graph, where results that nothing needs are left out.
    if tf.executing_eagerly() or not _is_faster(x, kernel, strides, padding):
        return convolve(x, kernel)

    @tf.custom_gradient
    def convolved(x: Tensor, kernel: Tensor) -> tuple[Tensor, Any]:
        def gradients(upstream: Tensor) -> tuple[Tensor, Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = convolve(x, kernel)
            of_inputs = tape.gradient(y, x, upstream)
            shape = kernel.shape
            return of_inputs, _kernel_gradient(x, upstream, shape, strides, padding)

        return convolve(x, kernel), gradients

    return convolved(x, kernel)


def _is_faster(x: Tensor, kernel: Tensor, strides: Triple, padding: str) -> bool:
    frames, rows, columns, channels, filters = kernel.shape
    if (
        not is_slow_here()
        or strides[0] != 1
        or x.dtype not in (tf.float32, tf.bfloat16)
    ):
        return False
    if frames > 1:
        return bool(
            rows == columns == 1 and strides == (1, 1, 1) and x.shape[1] is not None
        )
    sizes = x.shape[2:4]
    if x.dtype != tf.bfloat16 or strides[1] != strides[2] or None in sizes:
        return False
    if any(size % strides[1] for size in sizes):
        return False
    if rows == columns == 1:
        return True
    return bool(
        min(channels, filters) >= _MIN_CHANNELS
        and (padding == "valid" or strides[1] == 1)
    )


def _kernel_gradient(
    x: Tensor, upstream: Tensor, shape: tuple[int, ...], strides: Triple, padding: str
) -> Tensor:
    frames, rows, columns, channels, filters = shape
    if frames > 1:
        factors = _of_frames(x, upstream, frames, padding)
    else:
        factors = _of_pictures(x, upstream, (rows, columns), strides[1], padding)
    products: list[Tensor] = []
    for _ in range(frames * rows * columns):
        # One copy of a part exists at a time.
        with tf.control_dependencies(products[-1:]):
            part, slopes = next(factors)
            left = tf.reshape(part, (-1, channels))
            right = tf.reshape(slopes, (-1, filters))
        products.append(tf.matmul(left, right, transpose_a=True))
    return tf.reshape(tf.stack(products), shape)


def _of_frames(
    x: Tensor, upstream: Tensor, length: int, padding: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields the inputs and gradients that meet in each frame of a kernel."""
    count = x.shape[1]
    before, results = (length - 1) // 2, count
    if padding == "valid":
        before, results = 0, count - length + 1
    for place in range(length):
        shift = place - before
        # None meet in some frames of a kernel that is longer than the clip.
        first = max(0, -shift)
        last = max(first, min(results, count - shift))
        yield x[:, first + shift : last + shift], upstream[:, first:last]


def _of_pictures(
    x: Tensor, upstream: Tensor, size: tuple[int, int], stride: int, padding: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields the inputs and gradients that meet in each position of a kernel."""
    height, width, channels = x.shape[2:]
    x = tf.reshape(x, (-1, height, width, channels))
    if padding == "same" and size != (1, 1):
        edges = [((length - 1) // 2, length // 2) for length in size]
        x = tf.pad(x, [(0, 0), *edges, (0, 0)])
        height, width = (
            side + length - 1
            for side, length in zip((height, width), size, strict=True)
        )
    high, wide = (
        (side - length) // stride + 1
        for side, length in zip((height, width), size, strict=True)
    )
    if stride > 1:
        # The positions of a step side by side: slices with steps are slow.
        steps = (height // stride, stride, width // stride, stride)
        x = tf.reshape(x, (-1, *steps, channels))
    for row in range(size[0]):
        for column in range(size[1]):
            down, right = row // stride, column // stride
            below, beside = slice(down, down + high), slice(right, right + wide)
            if stride > 1:
                yield x[:, below, row % stride, beside, column % stride], upstream
            else:
                yield x[:, below, beside], upstream
