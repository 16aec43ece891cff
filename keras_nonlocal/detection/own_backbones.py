"""Detectors on the package's own backbones, with the weights of a file or without."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_nonlocal.architectures import STAGES
from keras_nonlocal.detection.batches import DIVISOR
from keras_nonlocal.detection.pretrained import (
    PretrainedDetector,
    resolve_detector_weights,
)
from keras_nonlocal.detection.region_model import RegionModel
from keras_nonlocal.detection.settings import Recipe
from keras_nonlocal.layer_names import stage_of
from keras_nonlocal.models.named.nl_resnet import NLResNet50, NLResNet101

_BACKBONES = {50: NLResNet50, 101: NLResNet101}

Build = Callable[[keras.Model, PretrainedDetector, Recipe], RegionModel]


@dataclass(frozen=True)
class OwnBackbone:
    """A ResNet with non-local blocks as the backbone of a detector.

    Args:
        depth: 50 or 101.
        input_shape: `(height, width, 3)`, sides divisible by 32 or `None`.
        network: Other arguments of `keras_nonlocal.NLResNet50`.
        freeze_stages: As in `keras_nonlocal.NLMaskRCNN50`.
    """

    depth: int
    input_shape: tuple[int | None, int | None, int]
    network: dict[str, Any]
    freeze_stages: Sequence[str] | None

    def detector(
        self,
        weights: str | os.PathLike[str] | None,
        classes: int,
        recipe: str | Recipe | None,
        build: Build,
        *,
        has_keypoints: bool = False,
    ) -> RegionModel:
        """Returns a detector with its weights.

        Args:
            weights: As in `NLMaskRCNN50`.
            classes: Number of classes.
            recipe: As in `NLMaskRCNN50`.
            build: Makes the detector of the backbone, the weights and the recipe.
            has_keypoints: Whether the default recipe is that of keypoints.
        """
        _check_sides(self.input_shape)
        pretrained = resolve_detector_weights(weights, classes, has_keypoints)
        settings = pretrained.settle_recipe(recipe)
        options: Any = {"normalization": "frozen_batch"}
        options |= self.network["nonlocal_options"] or {}
        backbone = _BACKBONES[self.depth](
            include_top=False,
            weights=pretrained.builder_weights,
            input_shape=self.input_shape,
            stride_in_1x1=settings.stride_in_1x1,
            normalization="frozen_batch" if pretrained.is_given else "batch",
            **(self.network | {"nonlocal_options": options}),
        )
        if pretrained.load_backbone is not None:
            pretrained.load_backbone(backbone)
        detector = build(backbone, pretrained, settings)
        if pretrained.load_detector is not None:
            pretrained.load_detector(detector)
        _freeze(detector.pyramid, self.freeze_stages, is_pretrained=pretrained.is_given)
        return detector


def _freeze(
    network: keras.Model, stages: Sequence[str] | None, *, is_pretrained: bool
) -> None:
    if stages is None:
        stages = ("stem", "res2") if is_pretrained else ()
    if unknown := sorted({*stages} - {"stem", *STAGES}):
        raise ValueError(
            f"`freeze_stages` must be among {('stem', *STAGES)}. "
            f"Received: freeze_stages={unknown}"
        )
    for layer in network.layers:
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        if stage_of(layer.name) in stages or (is_pretrained and is_norm):
            layer.trainable = False


def _check_sides(input_shape: Sequence[int | None]) -> None:
    if len(input_shape) != 3 or any(
        side is not None and side % DIVISOR for side in input_shape[:2]
    ):
        raise ValueError(
            "`input_shape` must be `(height, width, 3)` with sides that are divisible "
            f"by {DIVISOR}, or None. Received: input_shape={tuple(input_shape)}"
        )
