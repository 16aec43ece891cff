"""Non-maximum suppression with fixed shapes.

The greedy rule (take the best box, drop what overlaps it, repeat) decides box after
box. Its result is the only set of boxes that stays the same under `kept = no kept
better box overlaps`. Applying that rule to all boxes at once until nothing changes
takes two or three rounds in practice. Every round is one matrix operation, which each
backend, and XLA, runs in parallel. Long lists are processed in tiles: boxes that the
kept ones of earlier tiles suppress need no rounds.
"""

from typing import Any

from keras import ops

from keras_nonlocal.detection.boxes import pairwise_iou

_TILE = 512


def suppress(
    boxes: Any,
    is_box: Any,
    threshold: float,
    classes: Any = None,
) -> Any:
    """Finds the boxes that no better box overlaps too much.

    Args:
        boxes: By descending score, shape `(batch, n, 4)`.
        is_box: Which of them are boxes at all, shape `(batch, n)`.
        threshold: Overlap above which the box of lower score is dropped.
        classes: Only boxes of one class suppress each other, shape `(batch, n)`;
            `None`: all do.

    Returns:
        Which boxes are kept, `bool` of shape `(batch, n)`.

    References:
        The set is that of `torchvision.ops.nms` and `batched_nms`, ties included.
    """
    num_boxes = boxes.shape[1]
    kept = None
    for start in range(0, num_boxes, _TILE):
        tile = slice(start, min(start + _TILE, num_boxes))
        candidates = is_box[:, tile]
        if kept is not None:
            earlier = slice(0, start)
            overlapping = _overlap(boxes, classes, earlier, tile, threshold)
            candidates = candidates & ~ops.any(kept[:, :, None] & overlapping, axis=1)
        overlapping = _overlap(boxes, classes, tile, tile, threshold)
        count = tile.stop - tile.start
        places = ops.arange(count)
        overlapping = overlapping & (places[:, None] < places[None, :])[None]
        own = _fixpoint(candidates, overlapping)
        kept = own if kept is None else ops.concatenate([kept, own], axis=1)
    return is_box if kept is None else kept


def _overlap(
    boxes: Any, classes: Any, rows: slice, columns: slice, threshold: float
) -> Any:
    """Which of `rows` overlap which of `columns` too much, `(batch, rows, columns)`."""
    is_over = pairwise_iou(boxes[:, rows], boxes[:, columns]) > threshold
    if classes is None:
        return is_over
    return is_over & (classes[:, rows, None] == classes[:, None, columns])


def _fixpoint(candidates: Any, overlapping: Any) -> Any:
    """Applies the rule to all boxes until nothing changes."""

    def is_changing(kept: Any, before: Any) -> Any:
        return ops.any(ops.logical_xor(kept, before))

    def apply_rule(kept: Any, before: Any) -> tuple[Any, Any]:
        is_suppressed = ops.any(kept[:, :, None] & overlapping, axis=1)
        return candidates & ~is_suppressed, kept

    kept, _ = ops.while_loop(
        is_changing,
        apply_rule,
        apply_rule(candidates, candidates),
        # Each round settles at least one more box.
        maximum_iterations=candidates.shape[1] + 1,
    )
    return kept
