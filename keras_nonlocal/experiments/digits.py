"""Real handwritten digits, in parts by different writers."""

from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from keras_nonlocal.optional_packages import import_digits

Part = Literal["training", "validation", "test"]

# The file is in the order of its writers. The last 597 digits are for testing only.
_RANGES: dict[Part, tuple[int, int]] = {
    "training": (0, 1000),
    "validation": (1000, 1200),
    "test": (1200, 1797),
}
_LARGEST = 16.0


class Digits(NamedTuple):
    """Handwritten digits of one part.

    Args:
        zeros: `(count, 8, 8)`, from 0 to 1.
        ones: `(count, 8, 8)`, from 0 to 1.
    """

    zeros: np.ndarray
    ones: np.ndarray


@lru_cache
def read_digits(part: Part) -> Digits:
    """Returns the zeros and ones of one part; see `read_labeled_digits`."""
    images, labels = read_labeled_digits(part)
    return Digits(*(images[labels == digit] for digit in (0, 1)))


@lru_cache
def read_labeled_digits(part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Returns the digits of one part, `(count, 8, 8)` from 0 to 1, and what they are.

    The digits are part of the scikit-learn package (the test set of "Optical
    Recognition of Handwritten Digits", Alpaydin and Kaynak, UCI, CC BY 4.0).

    Args:
        part: `"training"`, `"validation"` or `"test"`. No digit is in two parts.

    Raises:
        ImportError: If scikit-learn is not installed.
    """
    images, labels = import_digits()(return_X_y=True)
    begin, end = _RANGES[part]
    images = images.reshape(-1, 8, 8)[begin:end] / _LARGEST
    return images.astype("float32"), labels[begin:end]
