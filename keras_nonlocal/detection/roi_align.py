"""RoIAlign: features of regions, sampled bilinearly from a pyramid.

All levels lie in one table of positions. A region costs the same whichever level it is
taken from, and its level is only an offset into the table. The points of a cell are
added one after another, which takes a fraction of the memory of sampling all at once.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_nonlocal.detection.boxes import areas


def levels_of(
    boxes: Any,
    num_levels: int,
    canonical_size: float = 224,
    epsilon: str = "inside",
) -> Any:
    """Returns the level of the pyramid from which each region is taken.

    Args:
        boxes: Shape `(…, 4)`.
        num_levels: Levels from P2 on.
        canonical_size: Pixels; a square of that side is taken from P4.
        epsilon: Where the small number is added that keeps a region of exactly a
            level's size on that level: `"inside"` the logarithm (Detectron2) or
            `"outside"` (torchvision).

    Returns:
        `int32` of shape `(…,)`, 0 for P2.

    References:
        [FPN](https://arxiv.org/abs/1612.03144), equation 1.
    """
    ratio = ops.sqrt(areas(boxes)) / canonical_size
    if epsilon == "inside":
        exponent = ops.log2(ratio + 1e-8)
    else:
        exponent = ops.log2(ops.maximum(ratio, 1e-30)) + 1e-6
    level = ops.clip(ops.floor(2 + exponent), 0, num_levels - 1)
    return ops.cast(level, "int32")


@dataclass(frozen=True)
class RoIAlign:
    """Samples regions of a feature pyramid.

    Each cell of the result is the mean over `sampling_ratio²` points. A point that lies
    more than one position outside of the features counts as 0. Other points outside are
    moved to the border.

    Args:
        output_size: Height and width of the result.
        strides: Pixels between two positions of each level.
        sampling_ratio: Points per cell and axis.
        is_aligned: Whether the first position stands for the pixel whose center is at
            ½ (Detectron2) instead of at 0. The latter, of Detectron and torchvision,
            also enlarges regions to at least one position.

    References:
        [Mask R-CNN](https://arxiv.org/abs/1703.06870), section 3.
    """

    output_size: tuple[int, int]
    strides: tuple[float, ...]
    sampling_ratio: int = 2
    is_aligned: bool = True

    def __call__(self, features: Sequence[Any], boxes: Any, levels: Any) -> Any:
        """Returns the features of regions.

        Args:
            features: One tensor `(batch, height, width, channels)` per level.
            boxes: Regions in pixels, shape `(batch, regions, 4)`.
            levels: Level of each region, `int32` of shape `(batch, regions)`.

        Returns:
            Shape `(batch, regions, *output_size, channels)`, of the dtype of the
            features.
        """
        return self.and_table(FeatureTable(features), boxes, levels)[0]

    def and_table(
        self, table: "FeatureTable", boxes: Any, levels: Any
    ) -> tuple[Any, "FeatureTable"]:
        """Returns the features of regions, and the table for the next use of it.

        Gradients of several uses take less memory if each takes the table that the
        one before returned.

        Args:
            table: The features.
            boxes: As in a call.
            levels: As in a call.
        """
        batch = ops.arange(ops.shape(boxes)[0], dtype="int32")[:, None]
        start = batch * table.positions + ops.take(table.starts, levels)
        width = ops.take(table.widths, levels)
        height = ops.take(table.heights, levels)
        strides = ops.convert_to_tensor(self.strides, boxes.dtype)
        scaled = boxes / ops.take(strides, levels)[..., None]
        rows, row_weights = _neighbors(
            self._points(scaled[..., 1], scaled[..., 3], self.output_size[0]), height
        )
        columns, column_weights = _neighbors(
            self._points(scaled[..., 0], scaled[..., 2], self.output_size[1]), width
        )
        lines = start[..., None] + rows * width[..., None]
        # All pairs of a row and a column: (terms, batch, regions, height, width).
        places = _of_all_pairs(ops.add, lines, columns)
        weights = _of_all_pairs(ops.multiply, row_weights, column_weights)
        weights = ops.cast(weights, table.rows.dtype)
        total, rows_again = _weighted_rows(table.rows, places, weights)
        return total / self.sampling_ratio**2, table.with_rows(rows_again)

    def _points(self, low: Any, high: Any, cells: int) -> Any:
        """Places of the points along an axis, `(points, batch, regions, cells)`."""
        if self.is_aligned:
            low, high = low - 0.5, high - 0.5
        else:
            high = ops.maximum(high, low + 1)
        cell = (high - low)[..., None] / cells
        points = (np.arange(self.sampling_ratio) + 0.5) / self.sampling_ratio
        numbers = np.arange(cells) + points[:, None, None, None]
        return low[..., None] + cell * ops.convert_to_tensor(numbers, low.dtype)


class FeatureTable:
    """The positions of all levels of all pictures, one row each.

    Args:
        features: One tensor `(batch, height, width, channels)` per level.
    """

    def __init__(self, features: Sequence[Any]) -> None:
        channels = features[0].shape[-1]
        batch = ops.shape(features[0])[0]
        sizes = [ops.shape(level)[1:3] for level in features]
        starts, self.positions = [], 0
        for height, width in sizes:
            starts.append(self.positions)
            self.positions = self.positions + height * width
        flat = [ops.reshape(level, (batch, -1, channels)) for level in features]
        self.rows = ops.reshape(ops.concatenate(flat, axis=1), (-1, channels))
        self.starts = ops.convert_to_tensor(starts, "int32")
        self.heights = ops.convert_to_tensor([size[0] for size in sizes], "int32")
        self.widths = ops.convert_to_tensor([size[1] for size in sizes], "int32")

    def with_rows(self, rows: Any) -> "FeatureTable":
        """Returns the same table with another tensor of rows."""
        table = copy.copy(self)
        table.rows = rows
        return table


def _neighbors(points: Any, size: Any) -> tuple[Any, Any]:
    """The two positions on both sides of points, and their weights.

    Args:
        points: Places, `(points, batch, regions, cells)`.
        size: Positions along the axis, `(batch, regions)`.

    Returns:
        Two tensors `(2 * points, batch, regions, cells)`.
    """
    size = size[..., None]
    last = ops.cast(size - 1, points.dtype)
    is_near = (points >= -1) & (points <= last + 1)
    points = ops.minimum(ops.maximum(points, 0), last)
    lower = ops.floor(points)
    share = points - lower
    near = ops.cast(is_near, points.dtype)
    below = ops.cast(lower, "int32")
    above = ops.minimum(below + 1, size - 1)
    weights = [(1 - share) * near, share * near]
    return ops.concatenate([below, above], axis=0), ops.concatenate(weights, axis=0)


def _of_all_pairs(operation: Any, rows: Any, columns: Any) -> Any:
    """`(n, …, height)` and `(m, …, width)` to `(n * m, …, height, width)`."""
    pairs = operation(rows[:, None, ..., :, None], columns[None, ..., None, :])
    # Known, also where the number of regions is not.
    count = rows.shape[0] * columns.shape[0]
    return ops.reshape(pairs, (count, *ops.shape(pairs)[2:]))


def _weighted_rows(table: Any, places: Any, weights: Any) -> tuple[Any, Any]:
    """The sum over the terms of the rows at `places` times weights, and the table."""
    if keras.backend.backend() == "tensorflow":
        from keras_nonlocal.layers.kernels.tensorflow_rows import weighted_rows

        return weighted_rows(table, places, weights)
    total: Any = 0
    for term in range(places.shape[0]):
        rows = ops.take(table, places[term], axis=0)
        total = total + rows * weights[term][..., None]
    return total, table
