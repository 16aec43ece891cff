"""The second stage in training: sampled regions, and the losses of the heads."""

from dataclasses import dataclass
from typing import Any

from keras import ops

from keras_nonlocal.detection import losses
from keras_nonlocal.detection.boxes import encode
from keras_nonlocal.detection.matching import match
from keras_nonlocal.detection.sampling import Samples, sample, take_rows
from keras_nonlocal.detection.settings import RegionSettings


@dataclass(frozen=True)
class TrainingRegions:
    """Sampled regions and the objects that they stand for.

    Attributes:
        boxes: Shape `(batch, regions, 4)`.
        samples: Which proposals they are, and which are foreground.
        object_index: The object of each region, shape `(batch, regions)`.
    """

    boxes: Any
    samples: Samples
    object_index: Any

    def foreground(self, most: int) -> "TrainingRegions":
        """Returns the first `most` regions, among which is all foreground."""
        samples = Samples(
            self.samples.indices[:, :most],
            self.samples.is_foreground[:, :most],
            self.samples.is_used[:, :most],
        )
        return TrainingRegions(
            self.boxes[:, :most], samples, self.object_index[:, :most]
        )


def sample_regions(
    proposals: Any,
    is_proposal: Any,
    boxes: Any,
    is_object: Any,
    noise: Any,
    settings: RegionSettings,
) -> TrainingRegions:
    """Draws the regions on which the heads are trained.

    The objects themselves are proposals, too.

    Args:
        proposals: Shape `(batch, n, 4)`.
        is_proposal: Which of them are no padding, shape `(batch, n)`.
        boxes: Objects, shape `(batch, objects, 4)`.
        is_object: Which of them are no padding, shape `(batch, objects)`.
        noise: Random numbers, shape `(batch, n + objects)`.
        settings: Overlaps and numbers of samples.
    """
    candidates = ops.concatenate([proposals, boxes], axis=1)
    is_candidate = ops.concatenate([is_proposal, is_object], axis=1)
    object_index, kinds = match(
        candidates,
        boxes,
        is_object,
        foreground_iou=settings.foreground_iou,
        background_iou=settings.foreground_iou,
    )
    kinds = ops.where(is_candidate, kinds, -1)
    samples = sample(kinds, noise, settings.num_samples, settings.foreground_share)
    return TrainingRegions(
        samples.take(candidates), samples, samples.take(object_index)
    )


def box_losses(
    logits: Any,
    deltas: Any,
    regions: TrainingRegions,
    boxes: Any,
    labels: Any,
    settings: RegionSettings,
) -> tuple[Any, Any]:
    """Returns the losses of the classes and of the offsets.

    Args:
        logits: Shape `(batch, regions, classes + 1)`, the background last.
        deltas: Shape `(batch, regions, classes, 4)`.
        regions: The sampled regions.
        boxes: Objects, shape `(batch, objects, 4)`.
        labels: Their classes, shape `(batch, objects)`.
        settings: The form of the losses.

    Returns:
        Two numbers, both divided by the number of sampled regions.
    """
    samples = regions.samples
    background = logits.shape[-1] - 1
    labels = take_rows(labels, regions.object_index)
    labels = ops.where(samples.is_foreground, labels, background)
    targets = encode(
        regions.boxes, take_rows(boxes, regions.object_index), settings.box_weights
    )
    columns = ops.minimum(labels, background - 1)[..., None, None]
    columns = ops.broadcast_to(columns, (*ops.shape(labels), 1, 4))
    own_deltas = ops.take_along_axis(deltas, columns, axis=2)[:, :, 0]
    offsets = losses.smooth_l1(own_deltas - targets, settings.box_beta)
    count = ops.maximum(ops.sum(ops.cast(samples.is_used, "float32")), 1)
    classes = losses.softmax_cross_entropy(logits, labels)
    return (
        losses.masked_sum(classes, samples.is_used) / count,
        losses.masked_sum(offsets, samples.is_foreground[..., None]) / count,
    )


def mask_loss(
    logits: Any, regions: TrainingRegions, boxes: Any, labels: Any, masks: Any
) -> Any:
    """Returns the loss of the masks, the mean over the pixels of the foreground.

    Args:
        logits: Shape `(batch, regions, side, side, classes)`.
        regions: The regions of which there are logits.
        boxes: Objects, shape `(batch, objects, 4)`.
        labels: Their classes, shape `(batch, objects)`.
        masks: Their masks from 0 to 1, each on a grid over its own box, shape
            `(batch, objects, grid, grid)`.
    """
    own = ops.maximum(take_rows(labels, regions.object_index), 0)
    index = own[..., None, None, None]
    index = ops.broadcast_to(index, (*ops.shape(logits)[:-1], 1))
    own_logits = ops.take_along_axis(logits, index, axis=-1)[..., 0]
    targets = mask_targets(regions, boxes, masks, logits.shape[2])
    pixels = losses.sigmoid_cross_entropy(own_logits, targets)
    is_counted = regions.samples.is_foreground[..., None, None]
    is_counted = ops.broadcast_to(is_counted, ops.shape(pixels))
    return losses.masked_mean(pixels, is_counted)


def mask_targets(regions: TrainingRegions, boxes: Any, masks: Any, side: int) -> Any:
    """Returns what the mask head is to draw in each region.

    The mask of the object is sampled bilinearly at the centers of the region's cells,
    and is 1 where that gives at least ½.

    Args:
        regions: The regions.
        boxes: Objects, shape `(batch, objects, 4)`.
        masks: As in `mask_loss`.
        side: Cells of a region along each axis.

    Returns:
        0 or 1, `float32` of shape `(batch, regions, side, side)`.
    """
    grid = masks.shape[-1]
    objects = take_rows(boxes, regions.object_index)
    rows = _on_grid(regions.boxes, objects, 1, side, grid)
    columns = _on_grid(regions.boxes, objects, 0, side, grid)
    # Of each region: the weights of the grid's rows (columns) in each of its own.
    row_weights, column_weights = (
        ops.maximum(
            1 - ops.abs(places[..., None] - ops.cast(ops.arange(grid), "float32")), 0
        )
        for places in (rows, columns)
    )
    own = ops.cast(take_rows(masks, regions.object_index), "float32")
    sampled = ops.matmul(
        ops.matmul(row_weights, own), ops.swapaxes(column_weights, -1, -2)
    )
    return ops.cast(sampled >= 0.5, "float32")


def _on_grid(regions: Any, objects: Any, axis: int, side: int, grid: int) -> Any:
    """Where the centers of cells lie on the grids of objects, `(batch, n, side)`."""
    low, high = regions[..., axis], regions[..., axis + 2]
    cells = (ops.cast(ops.arange(side), "float32") + 0.5) / side
    centers = low[..., None] + (high - low)[..., None] * cells
    start, end = objects[..., axis], objects[..., axis + 2]
    length = ops.maximum(end - start, 1e-6)
    return (centers - start[..., None]) / length[..., None] * grid - 0.5
