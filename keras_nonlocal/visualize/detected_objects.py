"""Detections on their picture: boxes, masks, names and scores."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_nonlocal.arguments import check_fraction
from keras_nonlocal.detection import paste_masks
from keras_nonlocal.visualize.object_labels import RGB, LabelWriter
from keras_nonlocal.visualize.object_shapes import (
    COLORS,
    as_bytes,
    blend,
    checked_image,
    checked_output,
    class_name,
    draw_box,
    line_width,
    part_of,
    shown_detections,
)
from keras_nonlocal.visualize.picture_files import write_png


def draw_detections(
    image: Any,
    detections: Mapping[str, Any],
    class_names: Sequence[str] | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    min_score: float = 0.5,
    mask_opacity: float = 0.4,
) -> np.ndarray:
    """Draws the objects that a detector found in a picture.

    Each class has a color. A mask is a tinted area with an outline, and the box around
    it has the name of the class and the score in percent at its upper left corner, or
    where that covers no other name. Objects with a high score are drawn last.

    Args:
        image: RGB pixels from 0 to 255, shape `(height, width, 3)`.
        detections: What `predict` returns for this picture, one row of each array:
            `"boxes"` of shape `(detections, 4)` as `(x1, y1, x2, y2)` in pixels of
            `image`, `"scores"`, `"labels"`, which is −1 where there is no object, and
            maybe `"masks"` of shape `(detections, side, side)` on a grid over each box.
        class_names: Names of the classes, such as `model.class_names`. Defaults to
            `None`, the numbers of the classes.
        output: PNG file to write the picture to, too. Defaults to `None`.
        min_score: Detections with a lower score are not drawn. Defaults to `0.5`.
        mask_opacity: Share of its color in the area of a mask, from 0 to 1. Defaults
            to `0.4`.

    Returns:
        RGB bytes of the same height and width, `uint8`.

    Raises:
        ValueError: If an argument does not fit.
        ImportError: If Pillow is missing.

    Example:

    >>> detections = {"boxes": np.array([[8, 20, 50, 60]]),
    ...               "scores": np.array([0.9]), "labels": np.array([1])}
    >>> drawn = keras_nonlocal.visualize.draw_detections(
    ...     np.zeros((96, 128, 3)), detections, ["cat", "dog"])
    >>> drawn.shape
    (96, 128, 3)
    """
    picture = checked_image(image)
    check_fraction("min_score", min_score)
    check_fraction("mask_opacity", mask_opacity)
    path = checked_output(output)
    found = shown_detections(detections, min_score)
    names = [class_name(label, class_names) for label in found["labels"]]
    colors = [COLORS[label % len(COLORS)] for label in found["labels"]]
    canvas = picture.astype(np.float32)
    line = line_width(picture)
    for index, box in enumerate(found["boxes"]):
        if "masks" in found:
            mask = found["masks"][index]
            _draw_mask(canvas, mask, box, colors[index], mask_opacity, line)
        draw_box(canvas, box, colors[index], line)
    drawn = as_bytes(canvas)
    labels = LabelWriter(drawn)
    # The best detections choose their places first.
    for index in reversed(range(len(names))):
        text = f"{names[index]} {found['scores'][index]:.0%}"
        labels.write(text, found["boxes"][index], colors[index])
    if path is not None:
        write_png(path, drawn)
    return drawn


def _draw_mask(
    canvas: np.ndarray,
    mask: np.ndarray,
    box: np.ndarray,
    color: RGB,
    opacity: float,
    line: float,
) -> None:
    rows, columns = part_of(canvas, box, margin=2 * line)
    corner = np.array([columns.start, rows.start] * 2)
    part = canvas[rows, columns]
    if 0 in part.shape:
        return
    # A frame of zeros: the gradient needs neighbors.
    height, width = part.shape[:2]
    values = paste_masks(mask[None], (box - corner)[None], (height, width), None)[0]
    distance = _distance_to_edge(values)
    tint = np.clip(distance + 0.5, 0, 1) * opacity
    outline = np.clip(line / 2 + 0.5 - np.abs(distance), 0, 1)
    blend(part, color, np.maximum(tint, outline))


def _distance_to_edge(values: np.ndarray) -> np.ndarray:
    """About how many pixels a place is inside of a mask; negative is outside."""
    down, right = np.gradient(np.pad(values, 1))
    slope = np.hypot(down, right)[1:-1, 1:-1]
    distance = (values - 0.5) / np.maximum(slope, 1e-3)
    return np.clip(distance, -1e3, 1e3)
