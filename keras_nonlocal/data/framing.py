"""Scaling, cropping and mirroring of the pictures in a clip."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_nonlocal.arguments import (
    check_choice,
    integers,
    is_integer,
    pair_of_sizes,
)

_THREE_CROPS = (0.0, 0.5, 1.0)


@dataclass(frozen=True)
class Framing:
    """The part of a picture to keep, independent of the size of the picture.

    Args:
        short_side: Length in pixels to which the shorter side is scaled.
        crop_size: Height and width of a crop, in pixels, or `None` for the whole
            picture.
        anchors: Position of each crop along the shorter and the longer side of the
            picture, as fractions between 0 and 1 of the free space. Defaults to the
            center.
        flip: Whether to mirror the picture. Defaults to `False`.
        enlarge: Whether to also scale smaller pictures. Defaults to `True`.
        anchors_are_drawn: Whether the anchors were drawn at random from [0, 1). All
            positions, including both ends, are then equally likely. Defaults to
            `False`.

    Example:

    >>> framing = keras_nonlocal.data.Framing(256, (224, 224))
    >>> framing.scaled_size(480, 640)
    (256, 341)
    """

    short_side: int
    crop_size: tuple[int, int] | None
    anchors: tuple[tuple[float, float], ...] = ((0.5, 0.5),)
    flip: bool = False
    enlarge: bool = True
    anchors_are_drawn: bool = False

    def scaled_size(self, height: float, width: float) -> tuple[int, int]:
        """Returns the scaled height and width of a picture, in pixels."""
        scale = self.short_side / min(height, width)
        if not self.enlarge:
            scale = min(scale, 1.0)
        least_height, least_width = self.crop_size or (1, 1)
        return (
            max(round(height * scale), least_height),
            max(round(width * scale), least_width),
        )

    def cut(self, picture: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Returns the crops of a scaled picture.

        Args:
            picture: Shape `(scaled_height, scaled_width, 3)`.
            out: Array of the returned shape to write the crops to. Defaults to a new
                array.

        Returns:
            The crops, shape `(num_crops, crop_height, crop_width, 3)`.
        """
        if self.flip:
            picture = picture[:, ::-1]
        crop_height, crop_width = self.crop_size or picture.shape[:2]
        free_height = picture.shape[0] - crop_height
        free_width = picture.shape[1] - crop_width
        is_wide = picture.shape[1] >= picture.shape[0]
        shape = (len(self.anchors), crop_height, crop_width, 3)
        crops = np.empty(shape, picture.dtype) if out is None else out
        for crop, (short, long) in zip(crops, self.anchors, strict=True):
            top = self._offset(free_height, short if is_wide else long)
            left = self._offset(free_width, long if is_wide else short)
            crop[:] = picture[top : top + crop_height, left : left + crop_width]
        return crops

    def _offset(self, free: int, anchor: float) -> int:
        if self.anchors_are_drawn:
            return min(int((free + 1) * anchor), free)
        return round(free * anchor)


class FramingSampler:
    """Draws a `Framing` per clip, or returns the fixed one for testing.

    Args:
        crop_size: Side or `(height, width)` of the crops, in pixels.
        short_side: Length of the scaled shorter side in pixels, or a range from which
            to draw it. Defaults to 8/7 of the longer side of the crop, or at random up
            to 10/7: 256 to 320 for crops of 224.
        num_crops: 1 (the center) or 3 (along the longer side). Defaults to `None`, one
            crop at the center, or at a random position if a generator is given.
        horizontal_flip: Whether to mirror half of the random framings. Defaults to
            `False`.

    Example:

    >>> framings = keras_nonlocal.data.FramingSampler(224, num_crops=3)
    >>> framings.framing().anchors
    ((0.5, 0.0), (0.5, 0.5), (0.5, 1.0))
    """

    def __init__(
        self,
        crop_size: int | tuple[int, int],
        short_side: int | tuple[int, int] | None = None,
        num_crops: int | None = None,
        horizontal_flip: bool = False,
    ) -> None:
        self.crop_size = pair_of_sizes("crop_size", crop_size)
        check_choice("num_crops", num_crops, (None, 1, 3))
        self.num_crops = num_crops
        self.horizontal_flip = horizontal_flip
        self._short_side = self._short_side_range(short_side)

    def framing(self, rng: np.random.Generator | None = None) -> Framing:
        """Returns a random framing, or the fixed one without a generator."""
        shortest, longest = self._short_side
        if rng is not None and self.num_crops is None:
            side = int(rng.integers(shortest, longest + 1))
            anchor = (float(rng.random()), float(rng.random()))
            flip = self.horizontal_flip and bool(rng.random() < 0.5)
            return Framing(
                side, self.crop_size, (anchor,), flip, anchors_are_drawn=True
            )
        places = _THREE_CROPS if self.num_crops == 3 else (0.5,)
        anchors = tuple((0.5, place) for place in places)
        return Framing(shortest, self.crop_size, anchors)

    def _short_side_range(self, short_side: Any) -> tuple[int, int]:
        largest_crop = max(self.crop_size)
        if short_side is None:
            return round(largest_crop * 8 / 7), round(largest_crop * 10 / 7)
        pair = (short_side, short_side) if is_integer(short_side) else short_side
        sides = integers(pair)
        if (
            sides is None
            or len(sides) != 2
            or not max(self.crop_size) <= sides[0] <= sides[1]
        ):
            raise ValueError(
                "`short_side` must be a number of pixels or an ascending pair of "
                f"them, not smaller than the crop {self.crop_size}. "
                f"Received: short_side={short_side!r}"
            )
        return sides[0], sides[1]
