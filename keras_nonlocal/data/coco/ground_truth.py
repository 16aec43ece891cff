"""Annotations in COCO's format, made safe for pycocotools."""

import math
from collections.abc import Mapping
from typing import Any

from keras_nonlocal.data.coco.categories import Categories, Keypoints, as_id
from keras_nonlocal.data.coco.objects import (
    Box,
    WrongObjectError,
    has_keypoints,
    is_crowd,
    read_bbox,
    read_box,
    read_keypoints,
)
from keras_nonlocal.data.coco.segmentation import SegmentationError, read_segmentation
from keras_nonlocal.optional_packages import import_pycocotools_mask

Size = tuple[int, int]


def ground_truth(
    content: Mapping[str, Any],
    sizes: Mapping[Any, Size],
    categories: Categories,
    masks: bool,
    keypoints: Keypoints | None = None,
) -> dict[str, Any]:
    """Returns annotations with crowds, but without wrong objects.

    pycocotools takes a polygon of two points for a box, reads `id` 0 as "no match", and
    needs areas. Here, annotations are numbered from 1, boxes are as in the file, and
    segmentations are compressed run lengths; those of crowds are `None` if they cannot
    be used, and all are without `masks`.

    Args:
        content: The contents of a file in COCO's format.
        sizes: Height and width of each image by its `id`.
        categories: The classes.
        masks: Whether objects need a segmentation.
        keypoints: The keypoints of an object; `None`: they are left out.
    """
    images = [
        {"id": image, "height": height, "width": width}
        for image, (height, width) in sizes.items()
    ]
    annotations: list[dict[str, Any]] = []
    known = {*categories.ids}
    for entry in content["annotations"]:
        image, category = (as_id(entry.get(f"{of}_id")) for of in ("image", "category"))
        size = sizes.get(image)
        if size is None or category not in known:
            continue
        annotation = _annotation(entry, size, masks, keypoints)
        if annotation is not None:
            ids = {"id": len(annotations) + 1, "image_id": image}
            annotations.append({**ids, "category_id": category, **annotation})
    entries = [dict(entry) for entry in categories.entries]
    return {"images": images, "annotations": annotations, "categories": entries}


def _annotation(
    entry: Mapping[str, Any], size: Size, masks: bool, keypoints: Keypoints | None
) -> dict[str, Any] | None:
    try:
        crowd = is_crowd(entry)
        box = read_box(entry, *size)
        has_bbox = entry.get("bbox") is not None
        bbox = [*read_bbox(entry)] if has_bbox else _as_bbox(box)
        segmentation = _run_lengths(entry, size, crowd) if masks else None
    except (WrongObjectError, SegmentationError):
        return None
    annotation = {
        "iscrowd": int(crowd),
        "bbox": bbox,
        "area": _area(entry, bbox, segmentation),
        "segmentation": segmentation,
    }
    if keypoints is not None and has_keypoints(entry):
        count = len(keypoints.names)
        try:
            points = read_keypoints(entry, count)
        except WrongObjectError:
            return None
        labeled = int((points[2::3] > 0).sum())
        annotation["keypoints"] = points.tolist()
        own = entry.get("num_keypoints")
        annotation["num_keypoints"] = own if isinstance(own, int) else labeled
    return annotation


def _area(entry: Mapping[str, Any], bbox: list[float], segmentation: Any) -> float:
    """Returns the area in the file, or else that of the mask, or of the box."""
    try:
        area = float(entry["area"])
    except (KeyError, OverflowError, TypeError, ValueError):
        area = math.nan
    if math.isfinite(area):
        return area
    if segmentation is not None:
        return float(import_pycocotools_mask().area(segmentation))
    return bbox[2] * bbox[3]


def _as_bbox(box: Box) -> list[float]:
    x1, y1, x2, y2 = box
    return [x1, y1, x2 - x1, y2 - y1]


def _run_lengths(
    entry: Mapping[str, Any], size: Size, crowd: bool
) -> dict[str, Any] | None:
    try:
        segmentation = read_segmentation(entry.get("segmentation"), *size)
    except SegmentationError:
        if crowd:
            return None
        raise
    return segmentation.run_lengths(*size)
