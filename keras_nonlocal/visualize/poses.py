"""Poses on their picture: the skeleton and the keypoints of each detection."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_nonlocal.arguments import check_choice, check_fraction
from keras_nonlocal.detection import KeypointSet
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

# In widths of a line.
_LIMB, _POINT, _RIM = 2.0, 2.2, 1.0
_RIM_COLOR: RGB = (16, 18, 24)


def draw_poses(
    image: Any,
    detections: Mapping[str, Any],
    keypoints: KeypointSet | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    class_names: Sequence[str] | None = None,
    show_boxes: bool = True,
    show_names: bool = False,
    min_score: float = 0.5,
    min_keypoint_score: float = 0.05,
) -> np.ndarray:
    """Draws the keypoints that a detector found in a picture.

    Each object has a color, in which lines connect its keypoints. A keypoint is a disk
    with a dark rim. Objects with a high score are drawn last.

    Args:
        image: RGB pixels from 0 to 255, shape `(height, width, 3)`.
        detections: What `predict` returns for this picture, one row of each array: as
            in `keras_nonlocal.visualize.draw_detections`, with `"keypoints"` of shape
            `(detections, points, 3)`, `(x, y, score)` in pixels of `image`.
        keypoints: Names and skeleton of the keypoints, `model.keypoints`. Defaults to
            `None`: points without lines.
        output: PNG file to write the picture to, too. Defaults to `None`.
        class_names: Names of the classes, such as `model.class_names`. Defaults to
            `None`, the numbers of the classes.
        show_boxes: Whether to draw boxes with classes and scores. Defaults to `True`.
        show_names: Whether to write the name of each keypoint. Defaults to `False`.
        min_score: Objects with a lower score are not drawn. Defaults to `0.5`.
        min_keypoint_score: Keypoints with a lower score are not drawn. Defaults to
            `0.05`, as in Detectron2.

    Returns:
        RGB bytes of the same height and width, `uint8`.

    Raises:
        ValueError: If an argument does not fit.
        ImportError: If Pillow is missing.

    Example:

    >>> pose = {"boxes": np.array([[8, 20, 50, 60]]), "scores": np.array([0.9]),
    ...         "labels": np.array([0]),
    ...         "keypoints": np.array([[[12, 24, 1], [40, 52, 1]]])}
    >>> drawn = keras_nonlocal.visualize.draw_poses(np.zeros((96, 128, 3)), pose)
    >>> drawn.shape
    (96, 128, 3)
    """
    picture = checked_image(image)
    check_fraction("min_score", min_score)
    check_fraction("min_keypoint_score", min_keypoint_score)
    check_choice("show_boxes", show_boxes, (False, True))
    check_choice("show_names", show_names, (False, True))
    path = checked_output(output)
    found = shown_detections(detections, min_score)
    points, names = _points(found, keypoints, min_keypoint_score, show_names)
    classes = [class_name(label, class_names) for label in found["labels"]]
    canvas, line = picture.astype(np.float32), line_width(picture)
    # The best detection has the first color.
    colors = [COLORS[rank % len(COLORS)] for rank in range(len(points))][::-1]
    for index, pose in enumerate(points):
        if show_boxes:
            draw_box(canvas, found["boxes"][index], colors[index], line)
        _draw_pose(canvas, pose, keypoints, colors[index], line)
    drawn = as_bytes(canvas)
    labels = LabelWriter(drawn)
    for index in reversed(range(len(points))):
        if show_boxes:
            text = f"{classes[index]} {found['scores'][index]:.0%}"
            labels.write(text, found["boxes"][index], colors[index])
        for (x, y), name in zip(points[index], names, strict=False):
            if np.isfinite(x):
                reach = _POINT * line
                box = np.array([x + reach, y - reach, x + reach, y + reach])
                labels.write(name, box, colors[index])
    if path is not None:
        write_png(path, drawn)
    return drawn


def _points(
    found: Mapping[str, np.ndarray],
    keypoints: KeypointSet | None,
    min_score: float,
    show_names: bool,
) -> tuple[np.ndarray, Sequence[str]]:
    """Places `(detections, points, 2)`, NaN where nothing is drawn, and their names."""
    points = found.get("keypoints")
    if points is None or points.shape[2:] != (3,):
        shape = None if points is None else points.shape
        raise ValueError(
            '`detections` must have "keypoints" of shape (detections, points, 3). '
            f"Received: {shape}"
        )
    count = points.shape[1]
    if keypoints is not None and keypoints.count != count:
        raise ValueError(
            f"`keypoints` must be of the {count} points of the detections. "
            f"Received: {keypoints.count} keypoints"
        )
    names: Sequence[str] = ()
    if show_names:
        known = None if keypoints is None else keypoints.names
        names = tuple(map(str, range(count))) if known is None else known
    points = points.astype(np.float64)
    is_drawn = np.isfinite(points).all(axis=-1) & (points[..., 2] >= min_score)
    return np.where(is_drawn[..., None], points[..., :2], np.nan), names


def _draw_pose(
    canvas: np.ndarray,
    pose: np.ndarray,
    keypoints: KeypointSet | None,
    color: RGB,
    line: float,
) -> None:
    for one, other in () if keypoints is None else keypoints.skeleton:
        if np.isfinite(pose[[one, other]]).all():
            _draw_line(canvas, pose[one], pose[other], color, _LIMB * line)
    for point in pose[np.isfinite(pose).all(axis=1)]:
        _draw_line(canvas, point, point, _RIM_COLOR, 2 * (_POINT + _RIM) * line)
        _draw_line(canvas, point, point, color, 2 * _POINT * line)


def _draw_line(
    canvas: np.ndarray, start: np.ndarray, end: np.ndarray, color: RGB, width: float
) -> None:
    """Draws a line with round ends; a disk if both are the same."""
    box = np.concatenate([np.minimum(start, end), np.maximum(start, end)])
    rows, columns = part_of(canvas, box, margin=width / 2 + 1)
    y = np.arange(rows.start, rows.stop)[:, None] + 0.5 - start[1]
    x = np.arange(columns.start, columns.stop)[None] + 0.5 - start[0]
    dx, dy = end - start
    along = np.clip((x * dx + y * dy) / max(dx**2 + dy**2, 1e-9), 0, 1)
    distance = np.hypot(x - along * dx, y - along * dy)
    blend(canvas[rows, columns], color, np.clip(width / 2 + 0.5 - distance, 0, 1))
