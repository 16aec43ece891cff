"""Pictures that carry their number, for films of which each frame can be recognized.

The top quarter holds 12 blocks, black for 0 and white for 1, the left one the lowest
bit. Colored blocks move below it.
"""

from itertools import pairwise

import numpy as np

_NUM_BITS = 12


def numbered_pictures(
    rng: np.random.Generator, first: int, num_frames: int, height: int, width: int
) -> np.ndarray:
    """Returns RGB bytes, shape `(num_frames, height, width, 3)`.

    Args:
        rng: Draws the colors and the movement.
        first: The number of the first picture; the next one carries the next number.
        num_frames: How many pictures.
        height: Of a picture in pixels, at least 8.
        width: Of a picture in pixels, at least 24.
    """
    side = max(height // 6, 2)
    colors = rng.integers(
        0, 256, (height // side + 3, width // side + 3, 3), dtype=np.uint8
    )
    scene = colors.repeat(side, axis=0).repeat(side, axis=1)
    down, right = rng.integers(1, 4, 2)
    frames = np.stack(
        [
            np.roll(scene, (i * down, i * right), axis=(0, 1))[:height, :width]
            for i in range(num_frames)
        ]
    )
    for i, frame in enumerate(frames):
        for bit, (rows, columns) in enumerate(_places(height, width)):
            frame[rows, columns] = 255 * (first + i >> bit & 1)
    return frames


def number_in(picture: np.ndarray) -> int:
    """Returns the number that a picture of shape `(height, width, 3)` carries."""
    height, width = picture.shape[:2]
    number = 0
    for bit, (rows, columns) in enumerate(_places(height, width, inner=True)):
        number |= int(picture[rows, columns].mean() > 127) << bit
    return number


def _places(height: int, width: int, inner: bool = False) -> list[tuple[slice, slice]]:
    """Returns rows and columns of each block, or of its middle."""
    edges = np.linspace(0, width, _NUM_BITS + 1).round().astype(int)
    bottom = max(height // 4, 2)
    places = []
    for left, right in pairwise(edges):
        margin = int(right - left) // 4 if inner else 0
        rows = slice(bottom // 4, bottom - bottom // 4) if inner else slice(bottom)
        places.append((rows, slice(left + margin, right - margin)))
    return places
