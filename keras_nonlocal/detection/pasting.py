"""Converts masks on the grid of a box to masks of whole pictures, in NumPy."""

from typing import Literal

import numpy as np

Rule = Literal["detectron2", "torchvision"]


def paste_masks(
    masks: np.ndarray,
    boxes: np.ndarray,
    image_size: tuple[int, int],
    threshold: float | None = 0.5,
    rule: Rule = "detectron2",
) -> np.ndarray:
    """Draws the masks of detections in the picture.

    Args:
        masks: From 0 to 1 on a grid over each box, shape `(n, side, side)`.
        boxes: `(x1, y1, x2, y2)` in pixels, shape `(n, 4)`.
        image_size: Height and width of the picture in pixels.
        threshold: Value from which a pixel belongs to the mask; `None` returns the
            values themselves.
        rule: `"detectron2"` samples the grid bilinearly at the centers of pixels.
            `"torchvision"` resizes the grid to whole pixels, as Detectron did.

    Returns:
        `bool`, or `float32` without a threshold, shape `(n, height, width)`.

    Example:

    >>> mask = keras_nonlocal.detection.paste_masks(
    ...     np.ones((1, 28, 28)), np.array([[1, 0, 3, 2]]), (3, 4))
    >>> mask[0].astype(int)
    array([[0, 1, 1, 0],
           [0, 1, 1, 0],
           [0, 0, 0, 0]])
    """
    masks = np.asarray(masks, np.float32)
    boxes = np.asarray(boxes, np.float64)
    if masks.ndim != 3 or boxes.shape != (len(masks), 4):
        raise ValueError(
            "`masks` must have the shape (n, side, side) and `boxes` (n, 4). "
            f"Received: masks of {masks.shape}, boxes of {boxes.shape}"
        )
    paste = _sampled if rule == "detectron2" else _resized
    canvas = np.zeros((len(masks), *image_size), np.float32)
    for picture, mask, box in zip(canvas, masks, boxes, strict=True):
        paste(picture, mask, box)
    return canvas if threshold is None else canvas >= threshold


def _sampled(picture: np.ndarray, mask: np.ndarray, box: np.ndarray) -> None:
    height, width = picture.shape
    x1, y1, x2, y2 = box
    if not (x2 > x1 and y2 > y1):
        return
    side = len(mask)
    # Pixels whose centers are less than half a cell outside of the box.
    x_margin, y_margin = (x2 - x1) / side, (y2 - y1) / side
    left, right = span(x1 - x_margin, x2 + x_margin, width)
    top, bottom = span(y1 - y_margin, y2 + y_margin, height)
    columns = _hats((np.arange(left, right) + 0.5 - x1) / (x2 - x1) * side - 0.5, side)
    rows = _hats((np.arange(top, bottom) + 0.5 - y1) / (y2 - y1) * side - 0.5, side)
    picture[top:bottom, left:right] = rows @ mask @ columns.T


def span(low: float, high: float, limit: int) -> tuple[int, int]:
    """Returns the first pixel of an interval and the one after its last, in a picture.

    Args:
        low: Where the interval begins, in pixels.
        high: Where it ends.
        limit: Height or width of the picture.
    """
    start = min(max(int(np.floor(low)), 0), limit)
    return start, min(max(int(np.ceil(high)), start), limit)


def _hats(places: np.ndarray, side: int) -> np.ndarray:
    """Weights of the cells of a grid at places; outside of the grid is 0."""
    weights = np.maximum(1 - np.abs(places[:, None] - np.arange(side)), 0)
    return weights.astype(np.float32)


def _resized(picture: np.ndarray, mask: np.ndarray, box: np.ndarray) -> None:
    side = len(mask)
    padded = np.pad(mask, 1)
    scale = (side + 2) / side
    center, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * scale
    x1, y1, x2, y2 = np.trunc(np.concatenate([center - half, center + half])).astype(
        int
    )
    width, height = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
    rows = _resize_weights(height, side + 2)
    columns = _resize_weights(width, side + 2)
    resized = rows @ padded @ columns.T
    left, right = max(x1, 0), min(x2 + 1, picture.shape[1])
    top, bottom = max(y1, 0), min(y2 + 1, picture.shape[0])
    if right > left and bottom > top:
        picture[top:bottom, left:right] = resized[top - y1 : bottom - y1][
            :, left - x1 : right - x1
        ]


def _resize_weights(size: int, side: int) -> np.ndarray:
    """Bilinear weights from `side` cells to `size` pixels, borders repeated."""
    places = (np.arange(size) + 0.5) * side / size - 0.5
    return _hats(np.clip(places, 0, side - 1), side)
