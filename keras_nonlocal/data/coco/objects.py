"""Objects of a picture: the annotations that can be used, and why others cannot."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from keras_nonlocal.data.coco.categories import Categories, Keypoints, as_id
from keras_nonlocal.data.coco.segmentation import (
    Segmentation,
    SegmentationError,
    read_segmentation,
)

Box = tuple[float, float, float, float]


class WrongObject(NamedTuple):
    """An annotation that is left out because it is wrong.

    Args:
        annotation_id: Its `id`, or its place in the file, counted from 0, if it has
            none.
        file_name: The picture; `None` if the file does not list it.
        reason: Why it cannot be used.
    """

    annotation_id: int | str
    file_name: str | None
    reason: str


class WrongObjectError(ValueError):
    """Says why an annotation cannot be used."""


@dataclass(frozen=True)
class PictureObjects:
    """The objects of a picture, in pixels of the annotated picture.

    Args:
        boxes: `(x1, y1, x2, y2)`, clipped to the picture, shape `(objects, 4)`.
        labels: Class indices, shape `(objects,)`.
        segmentations: One for each object; empty without masks.
        keypoints: `(x, y, visibility)`, shape `(objects, points, 3)`; `None` without
            keypoints. A point that is not labeled is all zeros.
    """

    boxes: np.ndarray
    labels: np.ndarray
    segmentations: tuple[Segmentation, ...] = ()
    keypoints: np.ndarray | None = None

    def select(self, indices: np.ndarray) -> "PictureObjects":
        """Returns some of the objects."""
        segmentations = self.segmentations
        return PictureObjects(
            self.boxes[indices],
            self.labels[indices],
            tuple(segmentations[i] for i in indices) if segmentations else (),
            None if self.keypoints is None else self.keypoints[indices],
        )


@dataclass(frozen=True)
class ObjectReader:
    """Reads annotations of one picture after the other.

    Args:
        categories: The classes.
        masks: Whether objects need a segmentation.
        keypoints: The keypoints; `None`: they are not read.
    """

    categories: Categories
    masks: bool
    keypoints: Keypoints | None

    @cached_property
    def _labels(self) -> dict[int, int]:
        return self.categories.labels()

    def read(
        self, annotations: Sequence[Mapping[str, Any]], height: int, width: int
    ) -> tuple[PictureObjects, list[tuple[int, str]]]:
        """Returns the objects of a picture, without crowds.

        Args:
            annotations: The annotations of the picture.
            height: Its height in pixels.
            width: Its width in pixels.

        Returns:
            The objects, and the place and the fault of each wrong annotation.
        """
        labels_of = self._labels
        boxes, labels, segmentations, points = [], [], [], []
        wrong: list[tuple[int, str]] = []
        for place, annotation in enumerate(annotations):
            try:
                if is_crowd(annotation):
                    continue
                label = _label(annotation.get("category_id"), labels_of)
                box = read_box(annotation, height, width)
                segmentation = self._segmentation(annotation, height, width)
                keypoints = self._keypoints(annotation)
            except (WrongObjectError, SegmentationError) as error:
                wrong.append((place, str(error)))
                continue
            boxes.append(box)
            labels.append(label)
            segmentations.append(segmentation)
            points.append(keypoints)
        objects = PictureObjects(
            np.array(boxes, np.float64).reshape(-1, 4),
            np.array(labels, np.int32),
            tuple(s for s in segmentations if s is not None),
            self._stacked(points),
        )
        return objects, wrong

    def _segmentation(
        self, annotation: Mapping[str, Any], height: int, width: int
    ) -> Segmentation | None:
        if not self.masks:
            return None
        return read_segmentation(annotation.get("segmentation"), height, width)

    def _keypoints(self, annotation: Mapping[str, Any]) -> np.ndarray | None:
        if self.keypoints is None:
            return None
        count = len(self.keypoints.names)
        if not has_keypoints(annotation):
            return np.zeros((count, 3))
        points = read_keypoints(annotation, count).reshape(count, 3)
        # COCO names the pixel; its center is half a pixel further.
        points[:, :2] += 0.5
        points[points[:, 2] <= 0] = 0
        return points

    def _stacked(self, points: Sequence[np.ndarray | None]) -> np.ndarray | None:
        if self.keypoints is None:
            return None
        count = len(self.keypoints.names)
        return np.array(points, np.float64).reshape(-1, count, 3)


def _label(category: Any, labels_of: Mapping[Any, int]) -> int:
    label = labels_of.get(as_id(category))
    if label is None:
        raise WrongObjectError("its category is not listed")
    return label


def is_crowd(annotation: Mapping[str, Any]) -> bool:
    """Whether an annotation covers a group of objects, without telling them apart.

    Raises:
        WrongObjectError: If `"iscrowd"` is neither 0 nor 1.
    """
    value = annotation.get("iscrowd")
    if value is None or value in (0, "0"):
        return False
    if value in (1, "1"):
        return True
    raise WrongObjectError("its iscrowd is neither 0 nor 1")


def has_keypoints(annotation: Mapping[str, Any]) -> bool:
    """Whether the keypoints of an object are annotated."""
    points = annotation.get("keypoints")
    return points is not None and np.size(points) > 0


def read_keypoints(annotation: Mapping[str, Any], count: int) -> np.ndarray:
    """Returns the keypoints of an annotation as in the file, shape `(3 * count,)`.

    Args:
        annotation: Has `"keypoints"`, `[x, y, visibility, …]`.
        count: Number of keypoints of an object.

    Raises:
        WrongObjectError: If they are not so many finite numbers.
    """
    try:
        points = np.array(annotation["keypoints"], np.float64)
    except (OverflowError, TypeError, ValueError):
        points = np.zeros(0)
    if points.shape != (3 * count,) or not np.isfinite(points).all():
        raise WrongObjectError(f"its keypoints are not {3 * count} numbers")
    return points


def read_box(annotation: Mapping[str, Any], height: int, width: int) -> Box:
    """Returns the box of an annotation, clipped to the picture.

    Args:
        annotation: Has a `"bbox"`, `[x, y, width, height]`, or a segmentation.
        height: Height of the picture in pixels.
        width: Width of the picture in pixels.

    Returns:
        `(x1, y1, x2, y2)`.

    Raises:
        WrongObjectError: If nothing of it lies in the picture.
    """
    if annotation.get("bbox") is None:
        segmentation = read_segmentation(annotation.get("segmentation"), height, width)
        box = tuple(segmentation.box().tolist())
    else:
        x, y, own_width, own_height = read_bbox(annotation)
        box = x, y, x + own_width, y + own_height
    x1, y1, x2, y2 = box
    if x2 <= x1 or y2 <= y1:
        raise WrongObjectError("its box has no area")
    x1, x2 = max(x1, 0.0), min(x2, float(width))
    y1, y2 = max(y1, 0.0), min(y2, float(height))
    if x2 <= x1 or y2 <= y1:
        raise WrongObjectError("its box lies outside of the picture")
    return x1, y1, x2, y2


def read_bbox(annotation: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Returns the `"bbox"` of an annotation, `(x, y, width, height)`.

    Raises:
        WrongObjectError: If it is not four finite numbers.
    """
    try:
        x, y, width, height = map(float, annotation["bbox"])
    except (OverflowError, TypeError, ValueError):
        raise WrongObjectError("its box is not four numbers") from None
    if not all(map(math.isfinite, (x, y, width, height))):
        raise WrongObjectError("its box is not four numbers")
    return x, y, width, height
