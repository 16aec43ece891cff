"""Rotation and mirroring of stored pictures for display.

Cameras store pictures in the orientation of the sensor, with a matrix for display:
column x and row y of the stored picture are shown at `(a·x + c·y, b·x + d·y)`. The
signs of `a, b, c, d` distinguish rotations by right angles from mirroring. The angle
alone, which FFmpeg derives from the matrix, would lose the mirroring.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_nonlocal.optional_packages import import_av


@dataclass(frozen=True)
class Orientation:
    """Rotates and mirrors pictures.

    Args:
        swaps_axes: Whether rows become columns, before any mirroring.
        flips_columns: Whether left and right are swapped.
        flips_rows: Whether top and bottom are swapped.
    """

    swaps_axes: bool = False
    flips_columns: bool = False
    flips_rows: bool = False

    def apply(self, picture: np.ndarray) -> np.ndarray:
        """Returns a stored picture in its display orientation.

        Args:
            picture: Shape `(height, width, channels)`.
        """
        if self.swaps_axes:
            picture = picture.swapaxes(0, 1)
        rows = slice(None, None, -1 if self.flips_rows else 1)
        columns = slice(None, None, -1 if self.flips_columns else 1)
        return picture[rows, columns]


def orientation_of(frame: Any) -> Orientation:
    """Returns the display orientation of a decoded frame.

    Args:
        frame: An `av.VideoFrame`. Its side data contains the display matrix of the
            file.
    """
    kind = import_av().sidedata.sidedata.Type.DISPLAYMATRIX
    try:
        data = frame.side_data.get(kind)
    except ValueError:
        # PyAV cannot list unknown kinds of side data.
        quarter_turns = round((frame.rotation or 0) / 90) % 4
        return _QUARTER_TURNS[quarter_turns]
    if data is None:
        return Orientation()
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    return _orientation(a, b, c, d)


def _orientation(a: int, b: int, c: int, d: int) -> Orientation:
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, flips_columns=a < 0, flips_rows=d < 0)
    return Orientation(True, flips_columns=c < 0, flips_rows=b < 0)


# Counterclockwise rotations, without mirroring.
_QUARTER_TURNS = (
    Orientation(),
    Orientation(True, flips_rows=True),
    Orientation(False, True, True),
    Orientation(True, flips_columns=True),
)
