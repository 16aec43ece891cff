"""From the outputs of a detector to COCO's format of results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_nonlocal.data.coco.source import LoadedBatch
from keras_nonlocal.detection.pasting import paste_masks, span
from keras_nonlocal.optional_packages import import_pycocotools_mask

Outputs = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class DetectionWriter:
    """Writes detections in pixels of the pictures as they were annotated.

    Args:
        category_ids: The `id` of each class.
        mask_threshold: Value from which a pixel belongs to a mask.
    """

    category_ids: Sequence[int]
    mask_threshold: float = 0.5

    def batch(self, batch: LoadedBatch, outputs: Outputs) -> list[list[dict[str, Any]]]:
        """Returns the detections of each picture of a batch.

        Args:
            batch: The pictures.
            outputs: What the model found in them.
        """
        return [
            self._picture(
                picture.id,
                np.array(picture.size),
                batch.x["image_sizes"][index],
                {name: values[index] for name, values in outputs.items()},
            )
            for index, picture in enumerate(batch.pictures)
        ]

    def _picture(
        self, image: Any, size: np.ndarray, scaled: np.ndarray, outputs: Outputs
    ) -> list[dict[str, Any]]:
        """The detections of a picture of which `scaled` is the height and width."""
        # From (height, width) to (x, y).
        scale = (size / scaled)[::-1]
        boxes = np.asarray(outputs["boxes"], np.float64) * np.tile(scale, 2)
        labels, scores = outputs["labels"], outputs["scores"]
        found = []
        for place in np.flatnonzero(labels >= 0):
            if not np.isfinite(boxes[place]).all() or not np.isfinite(scores[place]):
                continue
            clipped = np.clip(boxes[place], 0, np.tile(size[::-1], 2))
            x1, y1, x2, y2 = clipped.tolist()
            entry = {
                "image_id": image,
                "category_id": self.category_ids[labels[place]],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "score": float(scores[place]),
            }
            if "masks" in outputs:
                mask = outputs["masks"][place]
                entry["segmentation"] = run_lengths(
                    mask, boxes[place], size, self.mask_threshold
                )
            if "keypoints" in outputs:
                entry["keypoints"] = _keypoints(outputs["keypoints"][place], scale)
            found.append(entry)
        return found


def run_lengths(
    mask: np.ndarray, box: np.ndarray, size: np.ndarray, threshold: float = 0.5
) -> dict[str, Any]:
    """Draws a mask, in the part of the picture that it can reach, for COCO's files.

    Args:
        mask: From 0 to 1 on a grid over the box, shape `(side, side)`.
        box: `(x1, y1, x2, y2)` in pixels.
        size: Height and width of the picture.
        threshold: Value from which a pixel belongs to the mask.

    Returns:
        `"size"` and, as text, `"counts"`.
    """
    corner, size = box[:2], size.astype(int)
    margin = (box[2:] - corner) / len(mask)
    lows, highs = corner - margin, box[2:] + margin
    left, right = span(lows[0], highs[0], size[1])
    top, bottom = span(lows[1], highs[1], size[0])
    canvas = np.zeros(size, np.uint8, order="F")
    moved = box - np.array([left, top, left, top])
    part_size = (bottom - top, right - left)
    drawn = paste_masks(mask[None], moved[None], part_size, threshold)
    canvas[top:bottom, left:right] = drawn[0]
    encoded = import_pycocotools_mask().encode(canvas)
    return {"size": size.tolist(), "counts": encoded["counts"].decode()}


def _keypoints(points: np.ndarray, scale: np.ndarray) -> list[float]:
    """COCO's `x, y, score, …` of points `(x, y, score)`."""
    points = np.array(points, np.float64)
    # COCO names the pixel, and its center is half a pixel further.
    points[:, :2] = points[:, :2] * scale - 0.5
    return points.ravel().tolist()
