"""`predict_picture`: a detector and a picture in, its objects out."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import keras
import numpy as np

from keras_nonlocal.arguments import check_positive_integer
from keras_nonlocal.data.coco.picture_file import (
    decode_picture,
    read_bytes,
    resize_picture,
)
from keras_nonlocal.data.coco.sizes import Sizing
from keras_nonlocal.detection import RegionModel


def predict_picture(
    model: RegionModel,
    picture: str | os.PathLike[str] | np.ndarray,
    *,
    short_side: int | None = None,
    long_side: int | None = None,
) -> dict[str, np.ndarray]:
    """Finds the objects in a picture of any size.

    The picture is scaled and padded as by `keras_nonlocal.data.coco_dataset` with its
    default buckets, so the model is compiled for at most four shapes, and the scores
    are those of `keras_nonlocal.evaluate_coco`. Boxes and keypoints are in pixels of
    the picture as it is shown.

    Args:
        model: A `keras_nonlocal.detection.RegionModel`.
        picture: Path of a JPEG, a PNG or what else Pillow reads, turned as its EXIF
            orientation says; or RGB bytes `(height, width, 3)`.
        short_side: Pixels to which the shorter side is scaled. Defaults to `None`, the
            first of the model's `picture_sides`.
        long_side: Greatest length of the longer side in pixels. Defaults to `None`, the
            second of `picture_sides`. Where the height and the width of the model's
            input are fixed, the picture also fits into these.

    Returns:
        `"boxes"` as `(x1, y1, x2, y2)` of shape `(detections, 4)`, `"scores"` and
        `"labels"` of shape `(detections,)`, by descending score, and with masks
        `"masks"` of shape `(detections, 28, 28)` on a grid over each box, which
        `keras_nonlocal.visualize.draw_detections` draws and
        `keras_nonlocal.detection.paste_masks` enlarges. A model of keypoints returns
        `"keypoints"` as `(x, y, score)` of shape `(detections, points, 3)`, which
        `keras_nonlocal.visualize.draw_poses` draws.

    Raises:
        TypeError: If the model is of another kind.
        ValueError: If an argument has a value it cannot have.
        keras_nonlocal.data.ImageError: If the picture cannot be read.

    Example:

    >>> model = keras_nonlocal.NLMaskRCNN50(classes=3, weights=None, width=8)
    >>> found = keras_nonlocal.predict_picture(
    ...     model, np.zeros((40, 60, 3), np.uint8), short_side=64)
    >>> found["boxes"].shape == (len(found["scores"]), 4)
    True
    """
    check_detector(model)
    pixels = read_pixels(picture)
    scaling = PictureScaling.of(model, pixels.shape[:2], short_side, long_side)
    outputs = model.predict(scaling.batch([pixels], 1), verbose=0)
    return scaling.detections(outputs, 0)


def check_detector(model: Any) -> None:
    """Raises `TypeError` for another model than a detector."""
    if not isinstance(model, RegionModel):
        raise TypeError(
            "`model` must be a `RegionModel`. "
            f"Received: model of type {type(model).__name__}"
        )


def checked_sides(
    model: RegionModel, short_side: int | None, long_side: int | None
) -> tuple[int, int]:
    """Returns both sides, which default to those of the model."""
    sides = model.picture_sides
    return (
        check_positive_integer(
            "short_side", sides[0] if short_side is None else short_side
        ),
        check_positive_integer(
            "long_side", sides[1] if long_side is None else long_side
        ),
    )


@dataclass(frozen=True)
class PictureScaling:
    """From pictures of one size to the input of a detector, and back.

    Args:
        size: Height and width of the pictures.
        scaled: Their height and width in the input.
        padded: Height and width of the input.
    """

    size: tuple[int, int]
    scaled: tuple[int, int]
    padded: tuple[int, int]

    @classmethod
    def of(
        cls,
        model: RegionModel,
        size: tuple[int, ...],
        short_side: int | None = None,
        long_side: int | None = None,
    ) -> Self:
        """Returns the scaling for a model; see `predict_picture`."""
        height, width = size
        sides = checked_sides(model, short_side, long_side)
        sizing, limits = Sizing(*sides), input_size(model)
        bucket = sizing.shapes[sizing.bucket((height, width))]
        both = [
            (side, limit or side) for side, limit in zip(bucket, limits, strict=True)
        ]
        # Its bucket bounds the picture also where the input of the model is larger.
        rows, columns = (min(pair) for pair in both)
        scaled = sizing.scaled((height, width), sides[0], (rows, columns))
        return cls((height, width), scaled, (both[0][1], both[1][1]))

    def batch(self, pictures: Sequence[np.ndarray], size: int) -> dict[str, Any]:
        """Returns the inputs of the model, filled up with black pictures.

        Args:
            pictures: RGB bytes `(height, width, 3)`, up to `size` of them.
            size: Number of pictures in the batch.
        """
        height, width = self.scaled
        images = np.zeros((size, *self.padded, 3), np.float32)
        for image, pixels in zip(images, pictures, strict=False):
            image[:height, :width] = resize_picture(pixels, self.scaled)
        sizes = np.tile(np.array(self.scaled, np.float32), (size, 1))
        return {"images": images, "image_sizes": sizes}

    def detections(self, outputs: dict[str, Any], index: int) -> dict[str, np.ndarray]:
        """Returns what the model found in a picture, in pixels of the picture.

        Args:
            outputs: What the model returns for a batch.
            index: The place of the picture in the batch.
        """
        count = int(outputs["num_detections"][index])
        found = {
            name: np.asarray(values[index])[:count]
            for name, values in outputs.items()
            if name != "num_detections"
        }
        scale = np.array(self.size[::-1]) / np.array(self.scaled[::-1])
        found["boxes"] = (found["boxes"] * np.tile(scale, 2)).astype(np.float32)
        if "keypoints" in found:
            scales = np.append(scale, 1.0)
            found["keypoints"] = (found["keypoints"] * scales).astype(np.float32)
        return found


def read_pixels(picture: str | os.PathLike[str] | np.ndarray) -> np.ndarray:
    """Returns the RGB bytes of a picture, upright, `(height, width, 3)`."""
    if not isinstance(picture, np.ndarray):
        if not isinstance(picture, str | os.PathLike):
            raise TypeError(
                "`picture` must be a path or a NumPy array. "
                f"Received: picture of type {type(picture).__name__}"
            )
        path = os.fspath(picture)
        return decode_picture(read_bytes(path), path, None)
    if picture.ndim != 3 or picture.shape[-1] != 3 or 0 in picture.shape:
        raise ValueError(
            "`picture` must be a path, or an array of shape (height, width, 3). "
            f"Received: picture of {picture.shape}"
        )
    if picture.dtype != np.uint8:
        raise ValueError(
            f"`picture` must have the dtype uint8. Received: {picture.dtype}"
        )
    return picture


def fitted_to_input(model: keras.Model, x: dict[str, Any]) -> dict[str, Any]:
    """Pads a batch of pictures to the input of a model, if that is fixed.

    Raises:
        ValueError: If the pictures are larger.
    """
    if not isinstance(model, RegionModel):
        return x
    images = np.asarray(x["images"])
    size = images.shape[1:3]
    missing = [
        0 if limit is None else limit - side
        for side, limit in zip(size, input_size(model), strict=True)
    ]
    if min(missing) < 0:
        raise ValueError(
            "`dataset` must have pictures that fit into the input of the model, "
            f"{input_size(model)}; its argument is `buckets`. "
            f"Received: pictures of {size}"
        )
    return {**x, "images": np.pad(images, [(0, 0), *((0, m) for m in missing), (0, 0)])}


def input_size(model: RegionModel) -> tuple[int | None, int | None]:
    """Returns the height and width of the model's input; `None` if any is taken."""
    height, width = model.pyramid.input_shape[1:3]
    return height, width
