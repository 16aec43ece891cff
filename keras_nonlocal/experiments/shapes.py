"""The shapes of things that clips show, and how written digits are enlarged."""

import numpy as np


def enlargement(size: int, enlarged: int) -> np.ndarray:
    """Returns the matrix of linear interpolation, `(enlarged, size)`."""
    at = (np.arange(enlarged) + 0.5) * size / enlarged - 0.5
    at = np.clip(at, 0, size - 1)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(size))).astype("float32")


def ring_shape(size: int) -> np.ndarray:
    """Returns a ring, `(size, size)`, from 0 to 1."""
    at = (np.arange(size) + 0.5) / size - 0.5
    radius = np.hypot(at[:, None], at)
    width = 1 / size
    edge = np.abs(radius - 0.39) - 0.09
    return np.clip(0.5 - edge / width, 0, 1).astype("float32")
