"""Matches anchors and proposals with objects by overlap.

The overlaps of 270,000 anchors with 100 objects take 107 MB per picture. They are
computed for a few objects at a time, and only the best of each anchor is kept.
"""

from collections.abc import Iterator
from typing import Any

from keras import ops

from keras_nonlocal.detection.boxes import pairwise_iou

FOREGROUND = 1
BACKGROUND = 0
IGNORED = -1

# Number of objects whose overlaps are in memory at a time.
_CHUNK = 16


def match(
    references: Any,
    boxes: Any,
    is_object: Any,
    is_reference: Any = None,
    *,
    foreground_iou: float,
    background_iou: float,
    keeps_best: bool = False,
) -> tuple[Any, Any]:
    """Matches anchors or proposals with objects.

    Args:
        references: Anchors `(n, 4)` or proposals `(batch, n, 4)`.
        boxes: Objects, padded, shape `(batch, objects, 4)`.
        is_object: Whether each object is not padding, shape `(batch, objects)`.
        is_reference: Which references count, shape `(batch, n)`. The others are ignored
            and cannot be an object's best reference. Defaults to `None`, all.
        foreground_iou: Overlap from which a reference is foreground.
        background_iou: Overlap below which it is background; in between, it is ignored.
        keeps_best: Whether the references with the largest overlap for an object,
            including ties, are always foreground. They keep the object with which they
            overlap most.

    Returns:
        The index of an object per reference, `int32` of shape `(batch, n)`, and
        `FOREGROUND`, `BACKGROUND` or `IGNORED`, `int32` of shape `(batch, n)`.

    References:
        `Matcher` of Detectron2 and torchvision. Unlike theirs, an object that overlaps
        with no reference does not turn all references into foreground.
    """
    if len(references.shape) == 2:
        references = references[None]
    best: Any = None
    object_index: Any = None
    best_of_object = []
    for start, overlaps in _overlaps(references, boxes, is_object, is_reference):
        index = ops.cast(ops.argmax(overlaps, axis=-1), "int32") + start
        highest = ops.max(overlaps, axis=-1)
        best_of_object.append(ops.max(overlaps, axis=1, keepdims=True))
        if best is None:
            best, object_index = highest, index
        else:
            object_index = ops.where(highest > best, index, object_index)
            best = ops.maximum(highest, best)
    kind = ops.where(best < background_iou, BACKGROUND, IGNORED)
    kind = ops.where(best >= foreground_iou, FOREGROUND, kind)
    if keeps_best:
        chunks = _overlaps(references, boxes, is_object, is_reference)
        for (_, overlaps), highest in zip(chunks, best_of_object, strict=True):
            is_best = ops.any((overlaps == highest) & (highest > 0), axis=-1)
            kind = ops.where(is_best, FOREGROUND, kind)
    if is_reference is not None:
        kind = ops.where(is_reference, kind, IGNORED)
    return object_index, ops.cast(kind, "int32")


def _overlaps(
    references: Any, boxes: Any, is_object: Any, is_reference: Any
) -> Iterator[tuple[int, Any]]:
    """Yields overlaps `(batch, n, chunk)` with some objects; −1 with padding."""
    num_objects = boxes.shape[1]
    for start in range(0, num_objects, _CHUNK):
        part = slice(start, min(start + _CHUNK, num_objects))
        overlaps = pairwise_iou(references, boxes[:, part])
        counts = is_object[:, None, part]
        if is_reference is not None:
            counts = counts & is_reference[:, :, None]
        yield start, ops.where(counts, overlaps, -1.0)
