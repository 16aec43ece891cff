"""The two stages that follow the convolutional part of a detector."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_nonlocal.detection.anchors import STRIDES
from keras_nonlocal.detection.batches import as_list
from keras_nonlocal.detection.detections import select_detections
from keras_nonlocal.detection.first_rows import on_first_rows
from keras_nonlocal.detection.first_stage import proposal_losses
from keras_nonlocal.detection.losses import as_float32
from keras_nonlocal.detection.poses import decode_keypoints, keypoint_loss
from keras_nonlocal.detection.proposals import propose
from keras_nonlocal.detection.roi_align import FeatureTable, RoIAlign, levels_of
from keras_nonlocal.detection.second_stage import (
    TrainingRegions,
    box_losses,
    mask_loss,
    sample_regions,
)
from keras_nonlocal.detection.settings import Recipe

# Levels from which regions are taken. P6 is only used for proposals.
_REGION_LEVELS = 4


@dataclass(frozen=True)
class Stages:
    """Turns features, logits and offsets of the pyramid into detections or losses.

    Args:
        recipe: All values of the detector.
        classes: Number of classes without the background.
        heads: `"box_head"`, from features of regions to logits and offsets, and maybe
            `"mask_head"` and `"keypoint_head"`, to masks and to heat maps.
        noise: Returns uniform random numbers of a shape, for the sampling.
        skips_empty_regions: Whether masks and keypoints of fewer regions are computed
            where there are few objects. XLA would compute with all of them anyway.
    """

    recipe: Recipe
    classes: int
    heads: Mapping[str, keras.Model]
    noise: Callable[[Any], Any]
    skips_empty_regions: bool = False

    def detect(self, dense: Mapping[str, Any], image_sizes: Any) -> dict[str, Any]:
        """Returns padded detections."""
        *_, proposals, is_proposal = self._proposals(dense, image_sizes, training=False)
        table = FeatureTable(dense["features"][:_REGION_LEVELS])
        (logits, deltas), table = self._box_outputs(table, proposals, training=False)
        found = select_detections(
            logits,
            deltas,
            proposals,
            is_proposal,
            image_sizes,
            self.recipe.regions,
            self.recipe.detections,
        )
        return {**found, **self._drawn_outputs(table, found)}

    def _drawn_outputs(
        self, table: FeatureTable, found: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The masks and the keypoints of detections, as far as there are any."""
        if not self._has_drawing_heads:
            return {}
        limit = found["boxes"].shape[1]

        def of_first(count: int) -> dict[str, Any]:
            first = {name: found[name][:, :count] for name in ("boxes", "labels")}
            outputs = self._drawn_in_boxes(table, first)
            return {
                name: ops.pad(
                    x, [(0, 0), (0, limit - count), *[(0, 0)] * (len(x.shape) - 2)]
                )
                for name, x in outputs.items()
            }

        return self._on_first(of_first, ops.max(found["num_detections"]), limit)

    def _drawn_in_boxes(
        self, table: FeatureTable, found: Mapping[str, Any]
    ) -> dict[str, Any]:
        boxes = found["boxes"]
        outputs: dict[str, Any] = {}
        is_detection = (found["labels"] >= 0)[..., None, None]
        pooled, _ = self._pooled(table, boxes, self.recipe.regions.mask_pool_size)
        if "mask_head" in self.heads:
            drawn = self._drawn("mask_head", pooled, boxes, training=False)
            own = ops.maximum(found["labels"], 0)[..., None, None, None]
            own = ops.broadcast_to(own, (*ops.shape(drawn)[:-1], 1))
            masks = ops.sigmoid(ops.take_along_axis(drawn, own, axis=-1)[..., 0])
            outputs["masks"] = ops.where(is_detection, masks, 0.0)
        if "keypoint_head" in self.heads:
            drawn = self._drawn("keypoint_head", pooled, boxes, training=False)
            points = decode_keypoints(drawn, boxes)
            outputs["keypoints"] = ops.where(is_detection, points, 0.0)
        return outputs

    def losses(
        self, dense: Mapping[str, Any], image_sizes: Any, y: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Returns each loss by name."""
        recipe = self.recipe
        boxes = ops.cast(y["boxes"], "float32")
        labels = ops.cast(y["labels"], "int32")
        sides = boxes[..., 2:] - boxes[..., :2]
        is_object = (labels >= 0) & ops.all(sides > 0, axis=-1)
        logits, deltas, anchors, proposals, is_proposal = self._proposals(
            dense, image_sizes, training=True
        )
        logits = ops.concatenate(logits, axis=1)
        rpn_class_loss, rpn_box_loss = proposal_losses(
            logits,
            ops.concatenate(deltas, axis=1),
            ops.concatenate(anchors, axis=0),
            boxes,
            is_object,
            image_sizes,
            self.noise(ops.shape(logits)),
            recipe.proposals,
        )
        batch, count = ops.shape(proposals)[0], proposals.shape[1] + boxes.shape[1]
        regions = sample_regions(
            proposals,
            is_proposal,
            boxes,
            is_object,
            self.noise((batch, count)),
            recipe.regions,
        )
        table = FeatureTable(dense["features"][:_REGION_LEVELS])
        box_outputs, table = self._box_outputs(table, regions.boxes, training=True)
        class_loss, box_loss = box_losses(
            *box_outputs,
            regions,
            boxes,
            labels,
            recipe.regions,
        )
        return {
            "rpn_class_loss": rpn_class_loss,
            "rpn_box_loss": rpn_box_loss,
            "class_loss": class_loss,
            "box_loss": box_loss,
            **self._drawn_losses(table, regions, {**y, "boxes": boxes}),
        }

    def _drawn_losses(
        self, table: FeatureTable, regions: TrainingRegions, y: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The losses of the masks and of the keypoints, as far as there are any."""
        if not self._has_drawing_heads:
            return {}
        settings = self.recipe.regions
        limit = int(settings.foreground_share * settings.num_samples)
        is_foreground = ops.cast(regions.samples.is_foreground, "int32")

        def of_first(count: int) -> dict[str, Any]:
            return self._losses_in_regions(table, regions.foreground(count), y)

        return self._on_first(of_first, ops.max(ops.sum(is_foreground, axis=1)), limit)

    def _losses_in_regions(
        self, table: FeatureTable, foreground: TrainingRegions, y: Mapping[str, Any]
    ) -> dict[str, Any]:
        parts: dict[str, Any] = {}
        boxes = foreground.boxes
        pooled, _ = self._pooled(table, boxes, self.recipe.regions.mask_pool_size)
        if "mask_head" in self.heads:
            drawn = self._drawn("mask_head", pooled, boxes, training=True)
            labels = ops.cast(y["labels"], "int32")
            parts["mask_loss"] = mask_loss(
                drawn, foreground, y["boxes"], labels, y["masks"]
            )
        if "keypoint_head" in self.heads:
            drawn = self._drawn("keypoint_head", pooled, boxes, training=True)
            parts["keypoint_loss"] = keypoint_loss(
                drawn,
                foreground,
                y["keypoints"],
                self.recipe.keypoints.min_visible,
            )
        return parts

    @property
    def _has_drawing_heads(self) -> bool:
        return not {"mask_head", "keypoint_head"}.isdisjoint(self.heads)

    def _on_first(
        self, compute: Callable[[int], dict[str, Any]], count: Any, limit: int
    ) -> dict[str, Any]:
        """Computes with the first regions, among which are those that count."""
        if self.skips_empty_regions:
            return on_first_rows(compute, count, limit)
        return compute(limit)

    def _anchors(self, features: Any) -> list[Any]:
        return self.recipe.anchors.on_grids(
            [ops.shape(level)[1:3] for level in features]
        )

    def _proposals(
        self, dense: Mapping[str, Any], image_sizes: Any, *, training: bool
    ) -> tuple[list[Any], list[Any], list[Any], Any, Any]:
        """Logits, offsets and anchors by level as lists of anchors, and proposals."""
        logits = [as_list(level)[..., 0] for level in dense["logits"]]
        deltas = [as_list(level, 4) for level in dense["deltas"]]
        anchors = self._anchors(dense["features"])
        proposals, is_proposal = propose(
            [ops.stop_gradient(level) for level in logits],
            [ops.stop_gradient(level) for level in deltas],
            anchors,
            image_sizes,
            self.recipe.proposals,
            training=training,
        )
        return logits, deltas, anchors, proposals, is_proposal

    def _pooled(
        self, table: FeatureTable, boxes: Any, side: int
    ) -> tuple[Any, FeatureTable]:
        """The features of regions, shape `(batch * regions, side, side, channels)`.

        The table is to be used next, so that gradients need little memory.
        """
        settings = self.recipe.regions
        levels = levels_of(
            boxes, _REGION_LEVELS, settings.canonical_size, settings.level_epsilon
        )
        align = RoIAlign(
            (side, side),
            STRIDES[:_REGION_LEVELS],
            settings.sampling_ratio,
            settings.is_aligned,
        )
        pooled, table = align.and_table(table, boxes, levels)
        return ops.reshape(pooled, (-1, side, side, pooled.shape[-1])), table

    def _box_outputs(
        self, table: FeatureTable, boxes: Any, *, training: bool
    ) -> tuple[tuple[Any, Any], FeatureTable]:
        side = self.recipe.regions.box_pool_size
        pooled, table = self._pooled(table, boxes, side)
        logits, deltas = as_float32(self.heads["box_head"](pooled, training=training))
        batch, regions = ops.shape(boxes)[:2]
        outputs = (
            ops.reshape(logits, (batch, regions, self.classes + 1)),
            ops.reshape(deltas, (batch, regions, self.classes, 4)),
        )
        return outputs, table

    def _drawn(self, head: str, pooled: Any, boxes: Any, *, training: bool) -> Any:
        """The masks or heat maps that a head draws in regions, as logits."""
        logits = ops.cast(self.heads[head](pooled, training=training), "float32")
        batch, regions = ops.shape(boxes)[:2]
        return ops.reshape(logits, (batch, regions, *logits.shape[1:]))
