"""Sizes of pictures: how they are scaled, and the shapes into which they are padded."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_nonlocal.arguments import check_positive_integer, pair_of_sizes

# Strides of a feature pyramid divide the sides of its pictures.
DIVISOR = 32

Bucket = tuple[int, int]


@dataclass(frozen=True)
class Sizing:
    """How pictures are scaled and padded.

    The sizes are those of torchvision's `GeneralizedRCNNTransform`. Each picture is
    padded at the right and at the bottom to the smallest bucket in which it fits at its
    largest scale, so its batches have the same shape in every epoch. A picture that
    fits in none is scaled down to the bucket in which it stays largest.

    Args:
        short_side: Length of the shorter side in pixels, or the pair of lengths between
            which it is drawn.
        long_side: Greatest length of the longer side in pixels.
        buckets: Heights and widths of batches, divisible by 32; `None`: four, for
            pictures up to 4:3 and for longer ones, lying and standing.
    """

    short_side: int | tuple[int, int] = 800
    long_side: int = 1333
    buckets: Sequence[Bucket] | None = None

    def __post_init__(self) -> None:
        low, high = pair_of_sizes("short_side", self.short_side, "(least, greatest)")
        if low > high:
            raise ValueError(
                "`short_side` must begin with the smaller of its two lengths. "
                f"Received: short_side={self.short_side!r}"
            )
        check_positive_integer("long_side", self.long_side)
        buckets = self._default_buckets()
        if self.buckets is not None:
            buckets = _checked_buckets(self.buckets)
        # A frozen dataclass can be changed in no other way.
        object.__setattr__(self, "buckets", buckets)

    @property
    def short_sides(self) -> tuple[int, int]:
        """The smallest and the largest length of the shorter side."""
        return pair_of_sizes("short_side", self.short_side, "(least, greatest)")

    @property
    def shapes(self) -> tuple[Bucket, ...]:
        """The buckets, the smallest first."""
        return tuple(self.buckets or ())

    def scaled(
        self,
        size: tuple[int, int],
        short_side: int,
        limits: tuple[int | None, int | None] = (None, None),
    ) -> tuple[int, int]:
        """Returns the height and width of a scaled picture.

        Args:
            size: Its height and width before.
            short_side: The length of its shorter side, if the longer one allows it.
            limits: The greatest height and width, where there are any.
        """
        scale = min(short_side / min(size), self.long_side / max(size))
        for side, limit in zip(size, limits, strict=True):
            if limit is not None:
                scale = min(scale, limit / side)
        height, width = (max(math.floor(side * scale), 1) for side in size)
        return height, width

    def in_bucket(self, size: tuple[int, int], short_side: int) -> tuple[int, int]:
        """Returns the height and width of a picture that is scaled for its bucket."""
        return self.scaled(size, short_side, self.shapes[self.bucket(size)])

    def bucket(self, size: tuple[int, int]) -> int:
        """Returns the number of the bucket of a picture."""
        height, width = self.scaled(size, self.short_sides[1])
        scales = [
            min(most_rows / height, most_columns / width, 1)
            for most_rows, most_columns in self.shapes
        ]
        return scales.index(max(scales))

    def _default_buckets(self) -> tuple[Bucket, ...]:
        short, long = (
            pair_of_sizes("short_side", self.short_side, "(least, greatest)")[1],
            self.long_side,
        )
        side, longest = _padded(min(short, long)), _padded(long)
        usual = min(_padded(math.floor(short * 4 / 3)), longest)
        lying = {(side, usual), (side, longest)}
        return _by_area(lying | {(width, height) for height, width in lying})


def _padded(side: int) -> int:
    return -(-side // DIVISOR) * DIVISOR


def _by_area(buckets: Any) -> tuple[Bucket, ...]:
    return tuple(sorted(buckets, key=lambda shape: (shape[0] * shape[1], shape)))


def _checked_buckets(buckets: Any) -> tuple[Bucket, ...]:
    shapes = {pair_of_sizes("buckets", shape) for shape in buckets}
    if not shapes or any(side % DIVISOR for shape in shapes for side in shape):
        raise ValueError(
            f"`buckets` must be pairs `(height, width)` divisible by {DIVISOR}. "
            f"Received: buckets={buckets!r}"
        )
    return _by_area(shapes)


def bucket_numbers(sizing: Sizing, sizes: Sequence[tuple[int, int]]) -> np.ndarray:
    """Returns the bucket of each picture, `int64` of shape `(pictures,)`.

    Args:
        sizing: The buckets.
        sizes: Height and width of each picture.
    """
    known = {size: sizing.bucket(size) for size in {*sizes}}
    return np.array([known[size] for size in sizes], np.int64)
