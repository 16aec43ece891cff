"""Converts kernels between frameworks and from images to clips."""

import numpy as np


def to_keras_layout(array: np.ndarray) -> np.ndarray:
    """Moves the channels of a kernel `(out, in, *positions)` to the end."""
    if array.ndim < 2:
        return array
    return np.moveaxis(array, (0, 1), (-1, -2))


def fit_positions(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Converts a kernel in Keras's layout to the position axes of a model's kernel.

    Only exact conversions are made. An image kernel becomes a clip kernel of `t`
    planes, each of which is the image kernel divided by `t`. A 1×1×1 kernel equals a
    matrix, and a 1×k×k kernel equals a k×k kernel.

    Args:
        array: `(*positions, in, out)`.
        shape: The shape of the model's kernel.

    Returns:
        The kernel. Its shape differs from `shape` if the two do not fit.
    """
    excess = array.ndim - len(shape)
    if excess > 0 and array.shape[:excess] == (1,) * excess:
        return array.reshape(array.shape[excess:])
    if excess == -1 and array.ndim == 4 and array.shape == shape[1:]:
        num_planes = shape[0]
        return np.repeat(array[np.newaxis] / num_planes, num_planes, axis=0)
    if len(shape) > array.ndim == 2 and shape[:-2] == (1,) * (len(shape) - 2):
        return array.reshape((*shape[:-2], *array.shape))
    return array


def unit_variance(epsilon: float) -> float:
    """Returns the float32 `v` for which `v + epsilon` is exactly 1 in float32."""
    one, step = np.float32(1.0), np.float32(epsilon)
    variance = one - step
    while variance + step < one:
        variance = np.nextafter(variance, one)
    while variance + step > one:
        variance = np.nextafter(variance, np.float32(0.0))
    return float(variance)
