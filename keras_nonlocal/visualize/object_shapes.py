"""Colors, boxes and checks that all drawings of detections share."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_nonlocal.files import local_path
from keras_nonlocal.visualize.object_labels import RGB

# Of one lightness, and far apart for all kinds of color vision where few are used.
COLORS: tuple[RGB, ...] = (
    (255, 176, 0),
    (86, 180, 255),
    (255, 106, 89),
    (61, 214, 155),
    (214, 130, 255),
    (240, 228, 66),
    (255, 130, 190),
    (88, 214, 224),
    (190, 220, 90),
    (160, 160, 255),
)
# Lines are as wide as this part of the shorter side, and at least so many pixels.
_LINE_SHARE = 1 / 280
_THINNEST_LINE = 1.5
_PARTS = ("boxes", "scores", "labels")
_RANKS = {"boxes": 2, "scores": 1, "labels": 1, "masks": 3, "keypoints": 3}


def checked_image(image: Any) -> np.ndarray:
    """Returns a picture as an array.

    Raises:
        ValueError: If it is none.
    """
    picture = np.asarray(image)
    if picture.ndim != 3 or picture.shape[-1] != 3 or 0 in picture.shape:
        raise ValueError(
            "`image` must have the shape (height, width, 3). "
            f"Received: image of {picture.shape}"
        )
    return picture


def shown_detections(
    detections: Mapping[str, Any], min_score: float
) -> dict[str, np.ndarray]:
    """Returns the detections to draw, the worst first.

    Args:
        detections: One row of each array that `predict` returns.
        min_score: Those with a lower score are not drawn.

    Raises:
        ValueError: If they are not of one picture.
    """
    if missing := sorted({*_PARTS} - {*detections}):
        raise ValueError(
            f"`detections` must have {', '.join(map(repr, _PARTS))}. "
            f"Received: detections without {missing}"
        )
    found = {
        name: np.asarray(detections[name]) for name in _RANKS if name in detections
    }
    count = len(found["scores"]) if found["scores"].ndim == 1 else -1
    is_one_picture = all(
        values.ndim == _RANKS[name] and len(values) == count
        for name, values in found.items()
    )
    if not is_one_picture or found["boxes"].shape != (count, 4):
        shapes = {name: values.shape for name, values in found.items()}
        raise ValueError(
            "`detections` must be of one picture, one row of what `predict` returns. "
            f"Received: {shapes}"
        )
    found["labels"] = found["labels"].astype(int)
    boxes = found["boxes"]
    is_shown = (found["labels"] >= 0) & (found["scores"] >= min_score)
    is_shown &= np.isfinite(boxes).all(axis=1)
    is_shown &= (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    order = np.flatnonzero(is_shown)
    order = order[np.argsort(found["scores"][order], kind="stable")]
    return {name: values[order] for name, values in found.items()}


def class_name(label: int, class_names: Sequence[str] | None) -> str:
    """Returns the name of a class, or its number without names.

    Raises:
        ValueError: If there are too few names.
    """
    if class_names is None:
        return f"class {label}"
    if label >= len(class_names):
        raise ValueError(
            "`class_names` must have a name for each class that was found. Received: "
            f"{len(class_names)} names, and a detection of class {label}"
        )
    return class_names[label]


def draw_box(canvas: np.ndarray, box: np.ndarray, color: RGB, line: float) -> None:
    """Draws a frame with smooth borders, its middle on the sides of the box."""
    rows, columns = part_of(canvas, box, margin=line + 1)
    y = np.arange(rows.start, rows.stop)[:, None] + 0.5
    x = np.arange(columns.start, columns.stop)[None] + 0.5
    x1, y1, x2, y2 = box
    inside = np.minimum(np.minimum(x - x1, x2 - x), np.minimum(y - y1, y2 - y))
    coverage = np.clip(line / 2 + 0.5 - np.abs(inside), 0, 1)
    blend(canvas[rows, columns], color, coverage)


def part_of(canvas: np.ndarray, box: np.ndarray, margin: float) -> tuple[slice, slice]:
    """Returns the rows and columns of a picture that a box with a margin covers."""
    height, width = canvas.shape[:2]
    low = np.floor(box[:2] - margin).astype(int)
    high = np.ceil(box[2:] + margin).astype(int)
    (left, top), (right, bottom) = (
        np.clip(corner, 0, (width, height)) for corner in (low, high)
    )
    return slice(int(top), int(bottom)), slice(int(left), int(right))


def blend(part: np.ndarray, color: RGB, coverage: np.ndarray) -> None:
    """Paints a part of a picture.

    Args:
        part: RGB, `float32`, `(height, width, 3)`.
        color: The paint.
        coverage: Its share of each pixel from 0 to 1, `(height, width)`.
    """
    share = coverage[..., None].astype(np.float32)
    part += (np.array(color, np.float32) - part) * share


def line_width(picture: np.ndarray) -> float:
    """Returns how wide the lines in a picture are, in pixels."""
    return max(min(picture.shape[:2]) * _LINE_SHARE, _THINNEST_LINE)


def as_bytes(canvas: np.ndarray) -> np.ndarray:
    """Returns the bytes of a picture that was drawn in `float32`."""
    return np.clip(np.round(canvas), 0, 255).astype(np.uint8)


def checked_output(output: str | os.PathLike[str] | None) -> Path | None:
    """Returns the path of a PNG file to write, if there is one.

    Raises:
        ValueError: If it has another ending or no folder.
    """
    if output is None:
        return None
    path = local_path("output", output)
    if path.suffix != ".png" or not path.parent.is_dir():
        raise ValueError(
            "`output` must end in `.png` and lie in an existing folder. "
            f"Received: output={str(output)!r}"
        )
    return path
