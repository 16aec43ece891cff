"""Decoded frames to scaled RGB pictures."""

from typing import Any

import numpy as np

from keras_nonlocal.data._requirements import import_av
from keras_nonlocal.data.transforms import Framing


class PictureConverter:
    """Scales and converts frames in one step; keeps the tables for the next frame."""

    def __init__(self) -> None:
        self._reformatter = import_av().video.reformatter.VideoReformatter()

    def upright(self, frame: Any, framing: Framing, aspect: float = 1.0) -> np.ndarray:
        """Returns the scaled picture as it is to be shown.

        Args:
            frame: A decoded `av.VideoFrame`, which may say that it is to be rotated.
            framing: Gives the scale.
            aspect: Width of a pixel by its height.

        Returns:
            RGB bytes, shape `(scaled_height, scaled_width, 3)`.
        """
        quarter_turns = round((frame.rotation or 0) / 90)
        size = (frame.height, frame.width * aspect)
        if quarter_turns % 2:
            width, height = framing.scaled_size(size[1], size[0])
        else:
            height, width = framing.scaled_size(*size)
        return np.rot90(self._rgb(frame, height, width), quarter_turns)

    def _rgb(self, frame: Any, height: int, width: int) -> np.ndarray:
        scaled = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24",
            interpolation="BILINEAR",
            threads=1,
        )
        plane = scaled.planes[0]
        lines = np.frombuffer(plane, np.uint8)[: height * plane.line_size]
        picture = lines.reshape(height, plane.line_size)[:, : 3 * width]
        return picture.reshape(height, width, 3)
