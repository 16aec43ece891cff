"""The loss of the region proposal network."""

from typing import Any

from keras import ops

from keras_nonlocal.detection import losses
from keras_nonlocal.detection.boxes import encode
from keras_nonlocal.detection.matching import match
from keras_nonlocal.detection.sampling import sample, take_rows
from keras_nonlocal.detection.settings import ProposalSettings


def proposal_losses(
    logits: Any,
    deltas: Any,
    anchors: Any,
    boxes: Any,
    is_object: Any,
    image_sizes: Any,
    noise: Any,
    settings: ProposalSettings,
) -> tuple[Any, Any]:
    """Returns the losses of objectness and of offsets.

    Args:
        logits: Objectness of all anchors, shape `(batch, n)`.
        deltas: Their offsets, shape `(batch, n, 4)`.
        anchors: Shape `(n, 4)`.
        boxes: Objects, padded, shape `(batch, objects, 4)`.
        is_object: Whether each object is not padding, shape `(batch, objects)`.
        image_sizes: Height and width of each picture, shape `(batch, 2)`.
        noise: Random numbers that determine the sampled anchors, shape `(batch, n)`.
        settings: Overlaps, numbers of samples and the form of the losses.

    Returns:
        Two numbers.
    """
    is_trained = None
    if not settings.allows_straddling:
        is_trained = _are_inside(anchors, image_sizes)
    object_index, kinds = match(
        anchors,
        boxes,
        is_object,
        is_trained,
        foreground_iou=settings.foreground_iou,
        background_iou=settings.background_iou,
        keeps_best=True,
    )
    samples = sample(kinds, noise, settings.num_samples, settings.foreground_share)
    anchors = ops.take(anchors, samples.indices, axis=0)
    targets = encode(
        anchors,
        take_rows(boxes, samples.take(object_index)),
        settings.box_weights,
    )
    objectness = losses.sigmoid_cross_entropy(
        samples.take(logits), ops.cast(samples.is_foreground, "float32")
    )
    offsets = losses.smooth_l1(samples.take(deltas) - targets, settings.box_beta)
    if settings.normalizer == "pictures":
        count = ops.cast(ops.shape(logits)[0] * settings.num_samples, "float32")
    else:
        count = ops.maximum(ops.sum(ops.cast(samples.is_used, "float32")), 1)
    return (
        losses.masked_sum(objectness, samples.is_used) / count,
        losses.masked_sum(offsets, samples.is_foreground[..., None]) / count,
    )


def _are_inside(anchors: Any, image_sizes: Any) -> Any:
    """Returns whether each anchor is inside each picture, `(batch, n)`."""
    sizes = ops.cast(image_sizes, "float32")
    starts_inside = ops.all(anchors[:, :2] >= 0, axis=-1)
    ends_inside = (anchors[None, :, 2] < sizes[:, None, 1]) & (
        anchors[None, :, 3] < sizes[:, None, 0]
    )
    return starts_inside[None] & ends_inside
