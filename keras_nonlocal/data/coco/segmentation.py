"""Segmentations: polygons and run lengths, and their masks on the grid of a box."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_nonlocal.optional_packages import import_pycocotools_mask

# COCO writes six bits in each character, from "0" on.
_FEWEST_POINTS = 3
NO_SEGMENTATION = "it has no segmentation"
_RUN_CHARACTERS = re.compile(rb"[0-o]+")
# A cell belongs to a mask if it covers at least this share of it.
_SHARE = 0.5


class SegmentationError(ValueError):
    """Says why a segmentation cannot be used."""


@dataclass(frozen=True)
class Polygons:
    """An object as polygons.

    Args:
        points: Of each polygon `x, y, x, y, …` in pixels, `float64`.
    """

    points: tuple[np.ndarray, ...]

    def run_lengths(self, height: int, width: int) -> dict[str, Any]:
        """Returns the union of the polygons as compressed run lengths."""
        coco = import_pycocotools_mask()
        points = [polygon.tolist() for polygon in self.points]
        return coco.merge(coco.frPyObjects(points, height, width))

    def mask_in_box(self, box: np.ndarray, side: int) -> np.ndarray:
        """Returns the mask on a grid over a box; see `mask_in_box`."""
        corner, size = box[:2], box[2:] - box[:2]
        points = (polygon.reshape(-1, 2) for polygon in self.points)
        scaled = [_clipped((p - corner) * (side / size), side) for p in points]
        visible = tuple(p.ravel() for p in scaled if len(p) >= _FEWEST_POINTS)
        if not visible:
            return np.zeros((side, side), np.uint8)
        encoded = Polygons(visible).run_lengths(side, side)
        return import_pycocotools_mask().decode(encoded)

    def box(self) -> np.ndarray:
        """Returns the smallest box around the object, `(x1, y1, x2, y2)`."""
        points = np.concatenate(self.points).reshape(-1, 2)
        return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _clipped(points: np.ndarray, side: int) -> np.ndarray:
    """Cuts a polygon to a frame around the grid (Sutherland and Hodgman, 1974).

    A box may be much smaller than its object, and pycocotools takes memory for the
    whole outline. Edges along the frame do not reach the grid.

    Args:
        points: Corners, shape `(n, 2)`.
        side: Cells of the grid, which begins at 0. The frame leaves as many around it.
    """
    for axis in (0, 1):
        for sign, limit in ((-1, -side), (1, 2 * side)):
            distances = sign * (points[:, axis] - limit)
            if (distances <= 0).all():
                continue
            kept = []
            for place, distance in enumerate(distances):
                before = distances[place - 1]
                if (distance <= 0) != (before <= 0):
                    share = before / (before - distance)
                    start, end = points[place - 1], points[place]
                    kept.append(start + share * (end - start))
                if distance <= 0:
                    kept.append(points[place])
            points = np.array(kept).reshape(-1, 2)
    return points


@dataclass(frozen=True)
class RunLengths:
    """An object as compressed run lengths.

    Args:
        size: Height and width of the picture.
        counts: The string of COCO.
    """

    size: tuple[int, int]
    counts: bytes

    def run_lengths(self, height: int, width: int) -> dict[str, Any]:
        """Returns the run lengths as pycocotools takes them."""
        return {"size": [*self.size], "counts": self.counts}

    def mask_in_box(self, box: np.ndarray, side: int) -> np.ndarray:
        """Returns the mask on a grid over a box; see `mask_in_box`."""
        bitmap = import_pycocotools_mask().decode(self.run_lengths(*self.size))
        rows = _cell_weights(box[1], box[3], side, self.size[0])
        columns = _cell_weights(box[0], box[2], side, self.size[1])
        top, bottom = _covered(rows)
        left, right = _covered(columns)
        part = bitmap[top:bottom, left:right].astype(np.float32)
        shares = rows[:, top:bottom] @ part @ columns[:, left:right].T
        # Sums of weights may fall short of ½ by rounding.
        return (shares >= _SHARE - 1e-5).astype(np.uint8)

    def box(self) -> np.ndarray:
        """Returns the smallest box around the object, `(x1, y1, x2, y2)`."""
        x, y, width, height = import_pycocotools_mask().toBbox(
            self.run_lengths(*self.size)
        )
        return np.array([x, y, x + width, y + height])


Segmentation = Polygons | RunLengths


def read_segmentation(value: Any, height: int, width: int) -> Segmentation:
    """Reads a segmentation in any of the three encodings of COCO.

    Polygons of less than three points are dropped.

    Args:
        value: What the file has: polygons, or run lengths, compressed or not.
        height: Height of the picture in pixels.
        width: Width of the picture in pixels.

    Raises:
        SegmentationError: If nothing usable remains.
    """
    if isinstance(value, Mapping):
        return _read_run_lengths(value, height, width)
    if not isinstance(value, list | tuple | np.ndarray):
        raise SegmentationError(NO_SEGMENTATION)
    usable = (_usable_polygon(polygon, height, width) for polygon in value)
    polygons = tuple(polygon for polygon in usable if polygon is not None)
    if not polygons:
        raise SegmentationError("it has no polygon of at least three points")
    return Polygons(polygons)


def mask_in_box(segmentation: Segmentation, box: np.ndarray, side: int) -> np.ndarray:
    """Draws an object on a square grid over its box.

    Args:
        segmentation: The object.
        box: `(x1, y1, x2, y2)` in pixels of the annotated picture.
        side: Cells along each axis.

    Returns:
        0 or 1, `uint8` of shape `(side, side)`.
    """
    return segmentation.mask_in_box(np.asarray(box, np.float64), side)


def _usable_polygon(value: Any, height: int, width: int) -> np.ndarray | None:
    try:
        points = np.array(value, np.float64)
    except (OverflowError, TypeError, ValueError):
        return None
    if points.ndim != 1 or len(points) < 6 or len(points) % 2:
        return None
    x, y = points[::2], points[1::2]
    # Points far outside would make pycocotools trace outlines of any length. Neither is
    # NaN near.
    is_near = x.min() >= -width and x.max() <= 2 * width
    is_near = is_near and y.min() >= -height and y.max() <= 2 * height
    return points if is_near else None


def _read_run_lengths(value: Mapping[str, Any], height: int, width: int) -> RunLengths:
    size, counts = _whole_numbers(value.get("size")), value.get("counts")
    if size is None or size.tolist() != [height, width]:
        raise SegmentationError(
            f"its mask has the size {value.get('size')!r} and not that of the picture, "
            f"{[height, width]}"
        )
    if isinstance(counts, str | bytes):
        counts = counts.encode() if isinstance(counts, str) else counts
        runs = _decompressed(counts)
    else:
        runs = _whole_numbers(counts)
        counts = None
    if runs is None or runs.min(initial=0) < 0 or runs.sum() != height * width:
        raise SegmentationError("its run lengths do not fill the picture")
    if not runs[1::2].any():
        raise SegmentationError("its mask is empty")
    if counts is None:
        raw = {"size": [height, width], "counts": runs.tolist()}
        counts = import_pycocotools_mask().frPyObjects(raw, height, width)["counts"]
    return RunLengths((height, width), counts)


def _whole_numbers(values: Any) -> np.ndarray | None:
    """Returns numbers as integers; `None` if they are none. Some write 1.0 for 1."""
    try:
        numbers = np.array(values, np.float64)
    except (OverflowError, TypeError, ValueError):
        return None
    is_list = numbers.ndim == 1 and not isinstance(values, str | bytes)
    # Of greater ones, a floating-point number has not all digits.
    if not is_list or not (np.abs(numbers) < 2**53).all():
        return None
    return numbers.astype(np.int64) if (numbers == numbers.round()).all() else None


def _decompressed(counts: bytes) -> np.ndarray | None:
    """Returns the run lengths of a string of COCO; `None` if it is none.

    pycocotools leaves pixels after the last run as they happen to be in memory, so
    their sum must be known.
    """
    if not _RUN_CHARACTERS.fullmatch(counts):
        return None
    bits = np.frombuffer(counts, np.uint8).astype(np.int64) - ord("0")
    is_last = (bits & 32) == 0
    if not is_last[-1]:
        return None
    ends = np.flatnonzero(is_last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > 7:
        return None
    place = np.arange(len(bits)) - np.repeat(starts, lengths)
    values = np.add.reduceat((bits & 31) << (5 * place), starts)
    is_negative = (bits[ends] & 16) > 0
    values -= is_negative.astype(np.int64) << (5 * lengths)
    # From the fourth run on, the difference to the run before the last is stored.
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def _cell_weights(low: float, high: float, side: int, size: int) -> np.ndarray:
    """Shares of the pixels in each cell of a box, shape `(side, size)`."""
    edges = np.linspace(low, high, side + 1)[:, None]
    pixels = np.arange(size)
    starts = np.maximum(edges[:-1], pixels)
    ends = np.minimum(edges[1:], pixels + 1)
    weights = np.maximum(ends - starts, 0) / ((high - low) / side)
    return weights.astype(np.float32)


def _covered(weights: np.ndarray) -> tuple[int, int]:
    """First pixel of a box, and that after its last one."""
    pixels = np.flatnonzero(weights.any(axis=0))
    return (int(pixels[0]), int(pixels[-1]) + 1) if len(pixels) else (0, 0)
