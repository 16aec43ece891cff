"""From a picture with objects to the arrays of a batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from keras_nonlocal.arguments import check_positive_integer
from keras_nonlocal.data.coco.categories import Keypoints
from keras_nonlocal.data.coco.objects import PictureObjects
from keras_nonlocal.data.coco.picture_file import resize_picture
from keras_nonlocal.data.coco.segmentation import mask_in_box
from keras_nonlocal.data.coco.sizes import Bucket

Arrays = dict[str, np.ndarray]


class View(NamedTuple):
    """How a picture is shown in an epoch.

    Args:
        size: Height and width to which it is scaled.
        is_mirrored: Whether left and right change places.
    """

    size: tuple[int, int]
    is_mirrored: bool = False


class Example(NamedTuple):
    """A picture and its objects, scaled, mirrored and not yet padded.

    Args:
        pixels: `uint8` of shape `(height, width, 3)`.
        targets: Arrays of the objects by name, each of shape `(objects, …)`.
    """

    pixels: np.ndarray
    targets: Arrays


@dataclass(frozen=True)
class Targets:
    """The arrays that a batch has for its objects.

    Args:
        max_boxes: Places for objects in each picture.
        mask_size: Cells of the grid over each box, along each axis; `None`: no masks.
        keypoints: The keypoints; `None`: none.
    """

    max_boxes: int = 100
    mask_size: int | None = 112
    keypoints: Keypoints | None = None

    def __post_init__(self) -> None:
        check_positive_integer("max_boxes", self.max_boxes)
        if self.mask_size is not None:
            check_positive_integer("mask_size", self.mask_size)

    def empty(self, pictures: int) -> Arrays:
        """Returns the arrays of pictures without objects."""
        places = (pictures, self.max_boxes)
        arrays: Arrays = {
            "boxes": np.zeros((*places, 4), np.float32),
            "labels": np.full(places, -1, np.int32),
        }
        if self.mask_size is not None:
            grid = (self.mask_size, self.mask_size)
            arrays["masks"] = np.zeros((*places, *grid), np.uint8)
        if self.keypoints is not None:
            points = (len(self.keypoints.names), 3)
            arrays["keypoints"] = np.zeros((*places, *points), np.float32)
        return arrays

    def of_picture(
        self, objects: PictureObjects, size: tuple[int, int], view: View
    ) -> Arrays:
        """Returns the arrays of the largest objects, in the order of the file.

        Args:
            objects: The objects in pixels of the annotated picture.
            size: Height and width of the annotated picture.
            view: How the picture is shown.
        """
        objects = self._largest(objects)
        width = view.size[1]
        scale = np.array(view.size[::-1]) / np.array(size[::-1])
        boxes = objects.boxes * np.tile(scale, 2)
        if view.is_mirrored:
            boxes = np.stack(
                [width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]],
                axis=1,
            )
        arrays: Arrays = {
            "boxes": boxes.astype(np.float32),
            "labels": objects.labels.astype(np.int32),
        }
        if self.mask_size is not None:
            arrays["masks"] = self._masks(objects, view.is_mirrored)
        if self.keypoints is not None:
            arrays["keypoints"] = self._points(objects, scale, view)
        return arrays

    def _largest(self, objects: PictureObjects) -> PictureObjects:
        if len(objects.labels) <= self.max_boxes:
            return objects
        areas = np.prod(objects.boxes[:, 2:] - objects.boxes[:, :2], axis=1)
        largest = np.argsort(-areas, kind="stable")[: self.max_boxes]
        return objects.select(np.sort(largest))

    def _masks(self, objects: PictureObjects, is_mirrored: bool) -> np.ndarray:
        assert self.mask_size is not None
        grids = np.zeros(
            (len(objects.labels), self.mask_size, self.mask_size), np.uint8
        )
        pairs = zip(grids, objects.segmentations, objects.boxes, strict=True)
        for grid, segmentation, box in pairs:
            grid[:] = mask_in_box(segmentation, box, self.mask_size)
        return grids[:, :, ::-1] if is_mirrored else grids

    def _points(
        self, objects: PictureObjects, scale: np.ndarray, view: View
    ) -> np.ndarray:
        assert self.keypoints is not None
        assert objects.keypoints is not None
        points = objects.keypoints.copy()
        points[..., :2] *= scale
        if view.is_mirrored:
            points[..., 0] = view.size[1] - points[..., 0]
            points = points[:, [*self.keypoints.flip_order]]
        points[points[..., 2] <= 0] = 0
        return points.astype(np.float32)


def framed(
    pixels: np.ndarray, objects: PictureObjects, view: View, targets: Targets
) -> Example:
    """Scales and mirrors a picture with its objects.

    Args:
        pixels: `uint8` of shape `(height, width, 3)`.
        objects: The objects in its pixels.
        view: How it is shown.
        targets: The arrays of the objects.
    """
    arrays = targets.of_picture(objects, pixels.shape[:2], view)
    scaled = resize_picture(pixels, view.size)
    return Example(scaled[:, ::-1] if view.is_mirrored else scaled, arrays)


def padded(
    examples: Sequence[Example], bucket: Bucket, targets: Targets
) -> tuple[Arrays, Arrays]:
    """Returns the inputs and the targets of a batch.

    Args:
        examples: Its pictures.
        bucket: Height and width of the batch.
        targets: The arrays of the objects.
    """
    images = np.zeros((len(examples), *bucket, 3), np.uint8)
    sizes = np.zeros((len(examples), 2), np.int32)
    y = targets.empty(len(examples))
    for index, (pixels, arrays) in enumerate(examples):
        height, width = pixels.shape[:2]
        images[index, :height, :width] = pixels
        sizes[index] = height, width
        for name, values in arrays.items():
            y[name][index, : len(values)] = values
    return {"images": images, "image_sizes": sizes}, y


def specifications(
    batch_size: int | None, bucket: Sequence[int | None], targets: Targets
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Returns the shape and the type of each array of a batch.

    Args:
        batch_size: Pictures per batch; `None` if it varies.
        bucket: Height and width; `None` where they vary.
        targets: The arrays of the objects.
    """
    x = {
        "images": ((batch_size, *bucket, 3), np.uint8),
        "image_sizes": ((batch_size, 2), np.int32),
    }
    y = {
        name: ((batch_size, *array.shape[1:]), array.dtype.type)
        for name, array in targets.empty(0).items()
    }
    return x, y
