"""Proposals, the regions that may contain an object."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_nonlocal.detection.boxes import clip, decode
from keras_nonlocal.detection.sampling import take_rows
from keras_nonlocal.detection.settings import ProposalSettings
from keras_nonlocal.detection.suppression import suppress

# Replaces invalid scores, and is below all valid ones.
_NO_SCORE = -1e9


def propose(
    logits: Sequence[Any],
    deltas: Sequence[Any],
    anchors: Sequence[Any],
    image_sizes: Any,
    settings: ProposalSettings,
    *,
    training: bool,
) -> tuple[Any, Any]:
    """Converts the outputs of the region proposal network to proposals.

    The best anchors of each level become boxes inside the picture; boxes that are too
    small or not finite are dropped, then those that overlap with a better one of their
    level. The best of all levels remain.

    Args:
        logits: Objectness of the anchors of each level, shape `(batch, n)`.
        deltas: Their offsets, shape `(batch, n, 4)`.
        anchors: Boxes of each level, shape `(n, 4)`.
        image_sizes: Height and width of each picture, shape `(batch, 2)`.
        settings: How many candidates and proposals there are.
        training: Whether to use the numbers for training.

    Returns:
        Boxes by descending score, padded with zeros, `float32` of shape
        `(batch, proposals, 4)`, and whether each is a proposal, `bool` of shape
        `(batch, proposals)`.
    """
    candidates = [
        _candidates(*level, image_sizes, settings, training)
        for level in zip(logits, deltas, anchors, strict=True)
    ]
    boxes, scores = (
        ops.concatenate([part[i] for part in candidates], axis=1) for i in (0, 1)
    )
    most = settings.post_nms_training if training else settings.post_nms_inference
    scores, indices = ops.top_k(scores, min(most, scores.shape[1]))
    is_proposal = scores > _NO_SCORE
    boxes = take_rows(boxes, indices)
    return ops.where(is_proposal[..., None], boxes, 0.0), is_proposal


def is_large_enough(boxes: Any, min_size: float) -> Any:
    """Which boxes `(…, 4)` have an area and sides of at least `min_size` pixels."""
    width = boxes[..., 2] - boxes[..., 0]
    height = boxes[..., 3] - boxes[..., 1]
    has_area = (width > 0) & (height > 0)
    return has_area & (width >= min_size) & (height >= min_size)


def _candidates(
    logits: Any,
    deltas: Any,
    anchors: Any,
    image_sizes: Any,
    settings: ProposalSettings,
    training: bool,
) -> tuple[Any, Any]:
    """The boxes of a level and their scores, `_NO_SCORE` where they are dropped."""
    most = settings.pre_nms_training if training else settings.pre_nms_inference
    if logits.shape[1] is None:
        # If there are fewer anchors, invalid rows keep the shapes static.
        # They are finite, because exported graphs multiply by 0 to choose.
        logits = ops.pad(logits, [(0, 0), (0, most)], constant_values=_NO_SCORE)
        deltas = ops.pad(deltas, [(0, 0), (0, most), (0, 0)])
        anchors = ops.pad(anchors, [(0, most), (0, 0)])
    else:
        most = min(most, logits.shape[1])
    scores, indices = ops.top_k(logits, most)
    boxes = decode(
        ops.take(anchors, indices, axis=0),
        take_rows(deltas, indices),
        settings.box_weights,
    )
    is_finite = ops.all(ops.isfinite(boxes), axis=-1) & ops.isfinite(scores)
    boxes = clip(ops.where(is_finite[..., None], boxes, 0.0), image_sizes)
    is_candidate = is_finite & (scores > _NO_SCORE)
    is_candidate = is_candidate & is_large_enough(boxes, settings.min_size)
    is_kept = suppress(boxes, is_candidate, settings.nms_threshold)
    return boxes, ops.where(is_kept, scores, _NO_SCORE)
