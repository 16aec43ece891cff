"""Images with two handwritten digits: are they the same digit?"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from keras_nonlocal.experiments.digits import Part, read_labeled_digits
from keras_nonlocal.experiments.pairs import draw_pairs, generator
from keras_nonlocal.optional_packages import import_digits

DIGIT = 8


@dataclass(frozen=True)
class DigitPairTask:
    """Black images with two handwritten digits far apart.

    Args:
        size: Height and width in pixels.
        gap: The smallest number of pixels between the digits, along one of the axes.
        digits: Number of digits: 0, 1 and so on.
    """

    kind: ClassVar[str] = "images"
    classes: ClassVar[int] = 2
    chance: ClassVar[float] = 0.5

    size: int = 40
    gap: int = 20
    digits: int = 3

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of an image."""
        return self.size, self.size, 1

    def draw(
        self, part: Part, count: int, seed: int, batch: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns a batch of images and whether they show one digit twice."""
        rng = generator(seed, part, batch)
        shapes, names = self._digits(part)
        pairs = draw_pairs(rng, names, count)
        images = np.zeros((count, *self.input_shape), "float32")
        for image, *numbers in zip(images, pairs.first, pairs.second, strict=True):
            for place, number in zip(self._places(rng), numbers, strict=True):
                _put(image, shapes[number], place)
        return images, pairs.is_same

    def draw_singles(
        self, part: Part, count: int, seed: int, batch: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns a batch of images of one digit each, and which one it is."""
        rng = generator(seed, f"single {part}", batch)
        shapes, names = self._digits(part)
        shown = rng.integers(self.digits, size=count)
        images = np.zeros((count, *self.input_shape), "float32")
        for image, name in zip(images, shown, strict=True):
            place = rng.integers(self.size - DIGIT + 1, size=2)
            _put(image, shapes[rng.choice(np.flatnonzero(names == name))], place)
        return images, shown

    def _digits(self, part: Part) -> tuple[np.ndarray, np.ndarray]:
        shapes, names = read_labeled_digits(part)
        return shapes[names < self.digits], names[names < self.digits]

    def _places(self, rng: np.random.Generator) -> np.ndarray:
        """Returns the upper left corners of both digits."""
        end = self.size - DIGIT + 1
        while True:
            places = rng.integers(end, size=(2, 2))
            if np.abs(places[0] - places[1]).max() >= DIGIT + self.gap:
                return places

    @staticmethod
    def check_packages() -> None:
        """Raises an `ImportError` if scikit-learn is not installed."""
        import_digits()


def _put(image: np.ndarray, shape: np.ndarray, place: np.ndarray) -> None:
    row, column = place
    image[row : row + DIGIT, column : column + DIGIT, 0] = shape
