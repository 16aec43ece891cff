"""Anchors, the reference boxes of the region proposal network."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from keras_nonlocal.detection.setting_checks import check_fields, check_numbers

# P6 is every second position of P5, so it has the last of these strides.
STRIDES = (4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Anchors:
    """Anchors of a feature pyramid, with one size per level and several shapes each.

    They are centered on multiples of the stride, as in Detectron2 and torchvision.

    Args:
        sizes: Square roots of the areas in pixels, one per level from P2 to P6.
        aspect_ratios: Heights divided by widths.
        is_rounded: Whether to round the corners of the anchor at position 0 to whole
            pixels, as in torchvision.
    """

    sizes: tuple[float, ...] = (32, 64, 128, 256, 512)
    aspect_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    is_rounded: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        check_numbers("sizes", self.sizes, len(STRIDES))

    @property
    def num_shapes(self) -> int:
        """Number of anchors at each position."""
        return len(self.aspect_ratios)

    def at_origin(self, level: int) -> np.ndarray:
        """Returns the anchors of a level at position (0, 0), shape `(num_shapes, 4)`.

        Args:
            level: 0 for P2 … 4 for P6.
        """
        size = self.sizes[level]
        halves = np.array(
            [
                (size / math.sqrt(ratio) / 2, size * math.sqrt(ratio) / 2)
                for ratio in self.aspect_ratios
            ]
        )
        corners = np.concatenate([-halves, halves], axis=-1)
        return corners.round() if self.is_rounded else corners

    def on_grids(self, grid_sizes: Sequence[tuple[Any, Any]]) -> list[Any]:
        """Returns the anchors of each level.

        Args:
            grid_sizes: Height and width of the features of each level.

        Returns:
            Boxes of shape `(height * width * num_shapes, 4)` per level, by row, column
            and aspect ratio.
        """
        return [
            self._on_grid(level, *grid_size)
            for level, grid_size in enumerate(grid_sizes)
        ]

    def _on_grid(self, level: int, height: Any, width: Any) -> Any:
        stride = STRIDES[level]
        y = ops.cast(ops.arange(height), "float32") * stride
        x = ops.cast(ops.arange(width), "float32") * stride
        x, y = ops.meshgrid(x, y, indexing="xy")
        centers = ops.stack([x, y, x, y], axis=-1)[:, :, None, :]
        shapes = ops.convert_to_tensor(self.at_origin(level), "float32")
        return ops.reshape(centers + shapes, (-1, 4))
