"""The two stages that follow the convolutional part of a detector."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_nonlocal.detection.anchors import STRIDES
from keras_nonlocal.detection.batches import as_list
from keras_nonlocal.detection.detections import select_detections
from keras_nonlocal.detection.first_stage import proposal_losses
from keras_nonlocal.detection.losses import as_float32
from keras_nonlocal.detection.poses import decode_keypoints, keypoint_loss
from keras_nonlocal.detection.proposals import propose
from keras_nonlocal.detection.roi_align import RoIAlign, levels_of
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
    """

    recipe: Recipe
    classes: int
    heads: Mapping[str, keras.Model]
    noise: Callable[[Any], Any]

    def detect(self, dense: Mapping[str, Any], image_sizes: Any) -> dict[str, Any]:
        """Returns padded detections."""
        *_, proposals, is_proposal = self._proposals(dense, image_sizes, training=False)
        features = dense["features"]
        logits, deltas = self._box_outputs(features, proposals, training=False)
        found = select_detections(
            logits,
            deltas,
            proposals,
            is_proposal,
            image_sizes,
            self.recipe.regions,
            self.recipe.detections,
        )
        return {**found, **self._drawn_outputs(features, found)}

    def _drawn_outputs(self, features: Any, found: Mapping[str, Any]) -> dict[str, Any]:
        """The masks and the keypoints of detections, as far as there are any."""
        boxes = found["boxes"]
        outputs: dict[str, Any] = {}
        is_detection = (found["labels"] >= 0)[..., None, None]
        if "mask_head" in self.heads:
            drawn = self._drawn("mask_head", features, boxes, training=False)
            own = ops.maximum(found["labels"], 0)[..., None, None, None]
            own = ops.broadcast_to(own, (*ops.shape(drawn)[:-1], 1))
            masks = ops.sigmoid(ops.take_along_axis(drawn, own, axis=-1)[..., 0])
            outputs["masks"] = ops.where(is_detection, masks, 0.0)
        if "keypoint_head" in self.heads:
            drawn = self._drawn("keypoint_head", features, boxes, training=False)
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
        features = dense["features"]
        class_loss, box_loss = box_losses(
            *self._box_outputs(features, regions.boxes, training=True),
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
            **self._drawn_losses(features, regions, {**y, "boxes": boxes}),
        }

    def _drawn_losses(
        self, features: Any, regions: TrainingRegions, y: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The losses of the masks and of the keypoints, as far as there are any."""
        recipe = self.recipe
        parts: dict[str, Any] = {}
        most = int(recipe.regions.foreground_share * recipe.regions.num_samples)
        foreground = regions.foreground(most)
        if "mask_head" in self.heads:
            drawn = self._drawn("mask_head", features, foreground.boxes, training=True)
            labels = ops.cast(y["labels"], "int32")
            parts["mask_loss"] = mask_loss(
                drawn, foreground, y["boxes"], labels, y["masks"]
            )
        if "keypoint_head" in self.heads:
            drawn = self._drawn(
                "keypoint_head", features, foreground.boxes, training=True
            )
            parts["keypoint_loss"] = keypoint_loss(
                drawn, foreground, y["keypoints"], recipe.keypoints.min_visible
            )
        return parts

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

    def _pooled(self, features: Any, boxes: Any, side: int) -> Any:
        """The features of regions, shape `(batch * regions, side, side, channels)`."""
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
        pooled = align(features[:_REGION_LEVELS], boxes, levels)
        return ops.reshape(pooled, (-1, side, side, pooled.shape[-1]))

    def _box_outputs(
        self, features: Any, boxes: Any, *, training: bool
    ) -> tuple[Any, Any]:
        pooled = self._pooled(features, boxes, self.recipe.regions.box_pool_size)
        logits, deltas = as_float32(self.heads["box_head"](pooled, training=training))
        batch, regions = ops.shape(boxes)[:2]
        return (
            ops.reshape(logits, (batch, regions, self.classes + 1)),
            ops.reshape(deltas, (batch, regions, self.classes, 4)),
        )

    def _drawn(self, head: str, features: Any, boxes: Any, *, training: bool) -> Any:
        """The masks or heat maps that a head draws in regions, as logits."""
        pooled = self._pooled(features, boxes, self.recipe.regions.mask_pool_size)
        logits = ops.cast(self.heads[head](pooled, training=training), "float32")
        batch, regions = ops.shape(boxes)[:2]
        return ops.reshape(logits, (batch, regions, *logits.shape[1:]))
