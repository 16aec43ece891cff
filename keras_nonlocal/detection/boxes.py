"""Boxes as `(x1, y1, x2, y2)` in pixels: overlap, offsets, clipping.

The width of a box is `x2 - x1`. All computations use float32 or wider, regardless of
the precision of the network, because an offset in float16 can be wrong by whole pixels.
"""

import math
from collections.abc import Sequence
from typing import Any

from keras import ops

# The largest decoded change of size, as in Detectron: from 16 to 1000 pixels.
MAX_LOG_SCALE = math.log(1000 / 16)


def areas(boxes: Any) -> Any:
    """Returns the areas of boxes.

    Args:
        boxes: Shape `(…, 4)`.

    Returns:
        Shape `(…,)`; 0 for a box without width or height.
    """
    return _area(*ops.unstack(boxes, axis=-1))


def pairwise_iou(boxes: Any, others: Any) -> Any:
    """Returns the overlap of each box with each other box (intersection over union).

    Args:
        boxes: Shape `(…, n, 4)`.
        others: Shape `(…, m, 4)`.

    Returns:
        Shape `(…, n, m)`; 0 where neither box has an area.
    """
    first = [ops.expand_dims(side, -1) for side in ops.unstack(boxes, axis=-1)]
    second = [ops.expand_dims(side, -2) for side in ops.unstack(others, axis=-1)]
    top_left = [ops.maximum(first[i], second[i]) for i in (0, 1)]
    bottom_right = [ops.minimum(first[i], second[i]) for i in (2, 3)]
    intersection = _area(*top_left, *bottom_right)
    union = _area(*first) + _area(*second) - intersection
    has_area = union > 0
    return ops.where(has_area, intersection / ops.where(has_area, union, 1), 0)


def _area(x1: Any, y1: Any, x2: Any, y2: Any) -> Any:
    return ops.maximum(x2 - x1, 0) * ops.maximum(y2 - y1, 0)


def encode(reference: Any, boxes: Any, weights: Sequence[float]) -> Any:
    """Returns the offsets that turn reference boxes into boxes.

    Args:
        reference: Anchors or proposals, shape `(…, 4)`.
        boxes: The target boxes, shape `(…, 4)`.
        weights: Factors of the offsets in x, y, width and height.

    Returns:
        `(dx, dy, dw, dh)` in widths, heights and logarithms, times the weights, shape
        `(…, 4)`. 0 where either box has no area.
    """
    x, y, width, height = _center_form(reference)
    to_x, to_y, to_width, to_height = _center_form(boxes)
    is_usable = (width > 0) & (height > 0) & (to_width > 0) & (to_height > 0)
    width, height, to_width, to_height = (
        ops.where(is_usable, side, 1) for side in (width, height, to_width, to_height)
    )
    offsets = (
        (to_x - x) / width,
        (to_y - y) / height,
        ops.log(to_width / width),
        ops.log(to_height / height),
    )
    scaled = [
        weight * ops.where(is_usable, offset, 0)
        for weight, offset in zip(weights, offsets, strict=True)
    ]
    return ops.stack(scaled, axis=-1)


def decode(reference: Any, deltas: Any, weights: Sequence[float]) -> Any:
    """Applies offsets to reference boxes; the inverse of `encode`.

    Args:
        reference: Anchors or proposals, shape `(…, 4)`.
        deltas: Offsets, shape `(…, 4)`. The growth of a side is limited to a factor of
            1000 / 16, as in Detectron, Detectron2 and torchvision.
        weights: Factors contained in the offsets.

    Returns:
        Boxes, shape `(…, 4)`.
    """
    x, y, width, height = _center_form(reference)
    dx, dy, dw, dh = (deltas[..., i] / weights[i] for i in range(4))
    x, y = x + dx * width, y + dy * height
    half_width = 0.5 * width * ops.exp(ops.minimum(dw, MAX_LOG_SCALE))
    half_height = 0.5 * height * ops.exp(ops.minimum(dh, MAX_LOG_SCALE))
    corners = (x - half_width, y - half_height, x + half_width, y + half_height)
    return ops.stack(corners, axis=-1)


def clip(boxes: Any, image_sizes: Any) -> Any:
    """Moves corners outside of the picture to its border.

    Args:
        boxes: Shape `(batch, n, 4)`.
        image_sizes: Height and width of each picture without its padding, shape
            `(batch, 2)`.

    Returns:
        Shape `(batch, n, 4)`.
    """
    sizes = ops.cast(image_sizes, boxes.dtype)
    height, width = sizes[:, None, 0], sizes[:, None, 1]
    limits = ops.stack([width, height, width, height], axis=-1)
    return ops.minimum(ops.maximum(boxes, 0), limits)


def _center_form(boxes: Any) -> tuple[Any, Any, Any, Any]:
    width = boxes[..., 2] - boxes[..., 0]
    height = boxes[..., 3] - boxes[..., 1]
    return (
        boxes[..., 0] + 0.5 * width,
        boxes[..., 1] + 0.5 * height,
        width,
        height,
    )
