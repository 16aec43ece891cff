"""Selects detections from the scores of regions."""

from typing import Any

from keras import ops

from keras_nonlocal.detection.boxes import clip, decode
from keras_nonlocal.detection.proposals import is_large_enough
from keras_nonlocal.detection.sampling import take_rows
from keras_nonlocal.detection.settings import DetectionSettings, RegionSettings
from keras_nonlocal.detection.suppression import suppress


def select_detections(
    logits: Any,
    deltas: Any,
    proposals: Any,
    is_proposal: Any,
    image_sizes: Any,
    regions: RegionSettings,
    settings: DetectionSettings,
) -> dict[str, Any]:
    """Keeps the best boxes of each class.

    Args:
        logits: Shape `(batch, n, classes + 1)`, the background last.
        deltas: Shape `(batch, n, classes, 4)`.
        proposals: Shape `(batch, n, 4)`.
        is_proposal: Whether each proposal is not padding, shape `(batch, n)`.
        image_sizes: Height and width of each picture, shape `(batch, 2)`.
        regions: Settings of the offsets.
        settings: Settings of the selection.

    Returns:
        `"boxes"` of shape `(batch, max_detections, 4)`, `"scores"` and `"labels"`
        (`int32`) of shape `(batch, max_detections)`, by descending score, padded with
        0, 0 and −1, and `"num_detections"` of shape `(batch,)`.
    """
    num_classes = logits.shape[-1] - 1
    boxes = decode(proposals[:, :, None], deltas, regions.box_weights)
    boxes = ops.reshape(boxes, (ops.shape(boxes)[0], -1, 4))
    scores = ops.softmax(logits, axis=-1)[..., :num_classes]
    is_candidate = is_proposal[..., None] & (scores > settings.score_threshold)
    scores = ops.where(is_candidate, scores, 0.0)
    scores = ops.reshape(scores, (ops.shape(scores)[0], -1))
    # NaN scores are not detections.
    scores = ops.where(ops.isfinite(scores), scores, 0.0)
    most = proposals.shape[1] * num_classes
    scores, indices = ops.top_k(scores, min(settings.num_candidates, most))
    boxes = clip(take_rows(boxes, indices), image_sizes)
    labels = ops.cast(indices % num_classes, "int32")
    is_box = (scores > 0) & is_large_enough(boxes, settings.min_size)
    is_kept = suppress(boxes, is_box, settings.nms_threshold, labels)
    return _best(boxes, ops.where(is_kept, scores, 0.0), labels, settings)


def _best(
    boxes: Any, scores: Any, labels: Any, settings: DetectionSettings
) -> dict[str, Any]:
    count = min(settings.max_detections, scores.shape[1])
    scores, indices = ops.top_k(scores, count)
    is_detection = scores > 0
    boxes = ops.where(is_detection[..., None], take_rows(boxes, indices), 0.0)
    labels = ops.where(is_detection, take_rows(labels, indices), -1)
    missing = settings.max_detections - count
    return {
        "boxes": ops.pad(boxes, [(0, 0), (0, missing), (0, 0)]),
        "scores": ops.pad(scores, [(0, 0), (0, missing)]),
        "labels": ops.pad(labels, [(0, 0), (0, missing)], constant_values=-1),
        "num_detections": ops.sum(ops.cast(is_detection, "int32"), axis=-1),
    }
