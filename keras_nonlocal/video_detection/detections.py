"""`FrameDetections`: the objects of one frame, and the line that stores them."""

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from keras_nonlocal.inference.coco_detections import run_lengths
from keras_nonlocal.optional_packages import import_pillow, import_pycocotools_mask

MaskFormat = Literal["grid", "rle", "none"]

_LEVELS = 255
# Cells along each side of a box, for drawing masks of pixels.
_DRAWN_SIDE = 56


@dataclass(frozen=True, eq=False)
class FrameDetections:
    """The objects that a detector found in one frame of a video.

    Args:
        index: Index of the frame in presentation order, from 0.
        time: When the frame is shown, in seconds from the beginning of the video.
        boxes: `(x1, y1, x2, y2)` in pixels of the frame as it is shown, shape
            `(detections, 4)`.
        scores: From 0 to 1, descending, shape `(detections,)`.
        labels: Indices of the classes, shape `(detections,)`.
        names: Name of the class of each detection.
        masks: With `masks="grid"`, from 0 to 1 on a grid over each box, shape
            `(detections, side, side)`. Otherwise `None`.
        segmentations: With `masks="rle"`, COCO's compressed run lengths of each mask,
            in pixels of the frame: `"size"` and `"counts"`. Otherwise `None`.
        keypoints: `(x, y, score)` in pixels of the frame, shape
            `(detections, points, 3)`, if the model returns them.
    """

    index: int
    time: float
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    masks: np.ndarray | None = None
    segmentations: tuple[dict[str, Any], ...] | None = None
    keypoints: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def drawn(self) -> dict[str, np.ndarray]:
        """Returns the argument of `keras_nonlocal.visualize.draw_detections`.

        Masks have the 8 bits that the results file stores, so frames look the same when
        they are drawn from there.
        """
        found = {"boxes": self.boxes, "scores": self.scores, "labels": self.labels}
        if self.masks is not None:
            found["masks"] = _levels(self.masks) / np.float32(_LEVELS)
        elif self.segmentations is not None:
            found["masks"] = _on_grids(self.segmentations, self.boxes)
        if self.keypoints is not None:
            found["keypoints"] = self.keypoints
        return found

    def to_line(self) -> dict[str, Any]:
        """Returns the line of the results file, in JSON types."""
        entries = []
        for place, name in enumerate(self.names):
            entry: dict[str, Any] = {
                "label": int(self.labels[place]),
                "name": name,
                "score": float(self.scores[place]),
                "box": self.boxes[place].tolist(),
            }
            if self.masks is not None:
                entry["mask"] = _packed(self.masks[place])
            if self.segmentations is not None:
                entry["segmentation"] = self.segmentations[place]
            if self.keypoints is not None:
                entry["keypoints"] = self.keypoints[place].tolist()
            entries.append(entry)
        return {"frame": self.index, "time": self.time, "detections": entries}

    @classmethod
    def from_line(
        cls, line: Mapping[str, Any], mask_format: MaskFormat = "none"
    ) -> "FrameDetections":
        """Returns the detections of a line.

        Args:
            line: As `to_line` returns it.
            mask_format: The masks of a line without detections.

        Raises:
            KeyError: If something is missing.
            TypeError: If a value is of the wrong type.
            ValueError: If a value cannot be read.
        """
        entries = line["detections"]
        boxes = np.array([entry["box"] for entry in entries], np.float32)
        masks = np.zeros((0, 0, 0), np.float32) if mask_format == "grid" else None
        segmentations: Any = () if mask_format == "rle" else None
        keypoints = None
        if entries and "mask" in entries[0]:
            masks = np.stack([_unpacked(entry["mask"]) for entry in entries])
        if entries and "segmentation" in entries[0]:
            segmentations = tuple(dict(entry["segmentation"]) for entry in entries)
        if entries and "keypoints" in entries[0]:
            keypoints = np.array([entry["keypoints"] for entry in entries], np.float32)
        return cls(
            index=int(line["frame"]),
            time=float(line["time"]),
            boxes=boxes.reshape(-1, 4),
            scores=np.array([float(entry["score"]) for entry in entries], np.float32),
            labels=np.array([entry["label"] for entry in entries], np.int32),
            names=tuple(str(entry["name"]) for entry in entries),
            masks=masks,
            segmentations=segmentations,
            keypoints=keypoints,
        )


def frame_detections(
    index: int,
    time: float,
    found: Mapping[str, np.ndarray],
    class_names: Sequence[str],
    size: tuple[int, int],
    mask_format: MaskFormat,
) -> FrameDetections:
    """Returns the detections of a frame, without those that are not finite.

    Args:
        index, time: The frame.
        found: As `predict_picture` returns it.
        class_names: Names of all classes.
        size: Height and width of the frame in pixels.
        mask_format: What becomes of masks.
    """
    is_finite = np.isfinite(found["boxes"]).all(axis=1) & np.isfinite(found["scores"])
    found = {name: values[is_finite] for name, values in found.items()}
    masks = found.get("masks") if mask_format != "none" else None
    segmentations = None
    if masks is not None and mask_format == "rle":
        boxes = found["boxes"].astype(np.float64)
        segmentations = tuple(
            run_lengths(mask, box, np.array(size))
            for mask, box in zip(masks, boxes, strict=True)
        )
        masks = None
    return FrameDetections(
        index=index,
        time=time,
        boxes=found["boxes"],
        scores=found["scores"],
        labels=found["labels"],
        names=tuple(class_names[label] for label in found["labels"]),
        masks=masks,
        segmentations=segmentations,
        keypoints=found.get("keypoints"),
    )


def _levels(masks: np.ndarray) -> np.ndarray:
    return np.round(np.clip(masks, 0, 1) * _LEVELS).astype(np.uint8)


def _packed(mask: np.ndarray) -> dict[str, Any]:
    """A mask as text: its 8-bit values by rows, compressed by zlib, in Base64."""
    values = base64.b64encode(zlib.compress(_levels(mask).tobytes(), 6))
    return {"size": [*mask.shape], "values": values.decode()}


def _unpacked(packed: Mapping[str, Any]) -> np.ndarray:
    try:
        values = zlib.decompress(base64.b64decode(packed["values"]))
    except zlib.error as error:
        raise ValueError(str(error)) from None
    levels = np.frombuffer(values, np.uint8).reshape(packed["size"])
    return levels / np.float32(_LEVELS)


def _on_grids(segmentations: Sequence[dict[str, Any]], boxes: np.ndarray) -> np.ndarray:
    """Masks of pixels as shares of the cells of a grid over each box."""
    pillow, coding = import_pillow(), import_pycocotools_mask()
    grids = np.zeros((len(boxes), _DRAWN_SIDE, _DRAWN_SIDE), np.float32)
    for grid, segmentation, box in zip(grids, segmentations, boxes, strict=True):
        encoded = {**segmentation, "counts": segmentation["counts"].encode()}
        pixels = np.ascontiguousarray(coding.decode(encoded)) * np.uint8(_LEVELS)
        limits = np.tile(pixels.shape[::-1], 2)
        x1, y1, x2, y2 = np.clip(box.astype(np.float64), 0, limits).tolist()
        if x2 > x1 and y2 > y1:
            scaled = pillow.fromarray(pixels).resize(
                grid.shape, pillow.Resampling.BOX, box=(x1, y1, x2, y2)
            )
            grid[:] = np.asarray(scaled) / np.float32(_LEVELS)
    return grids
