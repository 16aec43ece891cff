"""Pictures are shown as a display matrix says, mirrorings included."""

import struct
from pathlib import Path

import numpy as np
import pytest

from keras_nonlocal.data import Framing, PyAVReader
from keras_nonlocal.data.readers.display_matrix import _orientation
from tests.data.videos import moving_pictures, write_video

ONE = 1 << 16
# Where a stored pixel at column x and row y is shown, as (x, y) times the matrix.
MATRICES = {
    (1, 0, 0, 1): lambda stored: stored,
    (-1, 0, 0, 1): lambda stored: stored[:, ::-1],
    (1, 0, 0, -1): lambda stored: stored[::-1],
    (-1, 0, 0, -1): lambda stored: stored[::-1, ::-1],
    (0, 1, 1, 0): lambda stored: stored.swapaxes(0, 1),
    (0, 1, -1, 0): lambda stored: np.rot90(stored, -1),
    (0, -1, 1, 0): lambda stored: np.rot90(stored),
    (0, -1, -1, 0): lambda stored: stored.swapaxes(0, 1)[::-1, ::-1],
}


def write_with_matrix(
    path: Path, frames: np.ndarray, matrix: tuple[int, int, int, int]
) -> str:
    write_video(path, frames, codec="png", pix_fmt="rgb24")
    content = bytearray(path.read_bytes())
    # In version 0 the matrix follows 40 bytes of numbers and times.
    place = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (ONE * value for value in matrix)
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("matrix", MATRICES)
def test_each_orientation_is_shown_as_the_matrix_says(
    matrix: tuple[int, int, int, int], tmp_path: Path
) -> None:
    frames = moving_pictures(2, 40, 56)
    path = write_with_matrix(tmp_path / "v.mov", frames, matrix)
    expected = np.stack([MATRICES[matrix](frame) for frame in frames])
    with PyAVReader(path) as video:
        got = video.read(np.arange(2), Framing(40, None))[:, 0]
    np.testing.assert_array_equal(got, expected)


def test_a_pixel_comes_to_the_place_of_the_matrix(rng: np.random.Generator) -> None:
    stored = rng.integers(256, size=(5, 7, 3), dtype=np.uint8)
    for a, b, c, d in MATRICES:
        shown = _orientation(a, b, c, d).apply(stored)
        height, width = shown.shape[:2]
        for y, x in np.ndindex(5, 7):
            # A mirrored axis counts from the other end.
            column = a * x + c * y + (width - 1 if a + c < 0 else 0)
            row = b * x + d * y + (height - 1 if b + d < 0 else 0)
            np.testing.assert_array_equal(shown[row, column], stored[y, x])
