"""The meaning of the `weights` argument of detectors."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import keras

from keras_nonlocal.detection.recipes import RECIPES, resolve_recipe
from keras_nonlocal.detection.settings import Pixels, Recipe
from keras_nonlocal.weights import (
    KERAS_IMAGENET_NORMALIZATION,
    Checkpoint,
    PixelNormalization,
    read_checkpoint,
)
from keras_nonlocal.weights.coco_categories import COCO_CATEGORY_IDS, COCO_CLASS_NAMES
from keras_nonlocal.weights.geometry import implied_network
from keras_nonlocal.weights.loading import assign_checkpoint, recognized

_DEFAULT_RECIPE = "paper"
# The recipe of each project whose whole detectors can be loaded. mmdetection's values
# are those of Detectron2 except for its pixels.
_RECIPE_OF = {
    "detectron": "paper",
    "detectron2": "detectron2",
    "torchvision": "torchvision",
    "mmdetection": "detectron2",
}
_BOX_LOGITS = "roi_heads.box_predictor.cls_score.bias"

Load = Callable[[keras.Model], Any]


@dataclass(frozen=True)
class PretrainedDetector:
    """Weights, and the detector that they need.

    Attributes:
        is_given: Whether there are any weights.
        builder_weights: The `weights` with which to build the backbone.
        load_backbone: Loads the weights of the backbone alone.
        load_detector: Loads the weights of a whole detector.
        recipe: Name of the recipe of a whole detector's project.
        normalization: Of the pixels; `None` if the weights do not tell.
        stride_in_1x1: Where the backbone has its strides; `None` likewise.
        class_names: Of a whole detector, where the file tells.
        category_ids: The same.
    """

    is_given: bool = True
    builder_weights: Literal["imagenet"] | None = None
    load_backbone: Load | None = None
    load_detector: Load | None = None
    recipe: str = _DEFAULT_RECIPE
    normalization: PixelNormalization | None = None
    stride_in_1x1: bool | None = None
    class_names: tuple[str, ...] | None = None
    category_ids: tuple[int, ...] | None = None

    def settle_recipe(self, recipe: str | Recipe | None) -> Recipe:
        """Returns the recipe, with the pixels and the strides of the weights."""
        settings = resolve_recipe(self.recipe if recipe is None else recipe)
        changes: dict[str, Any] = {}
        if self.normalization is not None:
            pixels = self.normalization
            changes["pixels"] = Pixels(pixels.mean, pixels.std, pixels.channel_order)
        if self.stride_in_1x1 is not None:
            changes["stride_in_1x1"] = self.stride_in_1x1
        return replace(settings, **changes)


def resolve_detector_weights(
    weights: str | os.PathLike[str] | None, classes: int, has_keypoints: bool = False
) -> PretrainedDetector:
    """Finds the weights that `weights` names, before anything is built or downloaded.

    Args:
        weights: As in `NLMaskRCNN50`.
        classes: Number of classes of the detector.
        has_keypoints: Whether the detector finds keypoints, for which the recipes
            differ.

    Raises:
        ValueError: If there is no such file or name.
        CheckpointError: If a file cannot be read.
    """
    found = _resolved(weights, classes, has_keypoints)
    if has_keypoints:
        return replace(found, recipe=f"{found.recipe}_keypoints")
    return found


def _resolved(
    weights: str | os.PathLike[str] | None, classes: int, has_keypoints: bool
) -> PretrainedDetector:
    if weights is None:
        return PretrainedDetector(is_given=False)
    name = os.fspath(weights)
    if name == "imagenet":
        return PretrainedDetector(
            builder_weights="imagenet",
            normalization=KERAS_IMAGENET_NORMALIZATION,
            stride_in_1x1=True,
        )
    if not os.path.exists(name):
        raise ValueError(
            '`weights` must be None, "imagenet" or the path of an existing file. '
            f"Received: weights={name!r}"
        )
    return _from_file(read_checkpoint(name), classes, has_keypoints)


def _from_file(
    checkpoint: Checkpoint, classes: int, has_keypoints: bool
) -> PretrainedDetector:
    found = recognized(checkpoint)
    implied = implied_network(found, checkpoint)
    facts: dict[str, Any] = {
        "normalization": implied.normalization,
        "stride_in_1x1": implied.architecture.get("stride_in_1x1"),
    }
    if found.naming.detector is None:
        load = partial(
            assign_checkpoint, checkpoint=checkpoint, without_head=True, new_blocks=True
        )
        return PretrainedDetector(load_backbone=load, **facts)
    if has_keypoints and classes == 1:
        # COCO has keypoints of persons alone, and so have the projects' files.
        facts |= {
            "class_names": COCO_CLASS_NAMES[:1],
            "category_ids": COCO_CATEGORY_IDS[:1],
        }
    # Only torchvision's numbers of classes, with their gaps, are surely COCO's.
    class_bias = checkpoint.arrays.get(f"{found.prefix}{_BOX_LOGITS}")
    has_coco_ids = (
        found.naming.detector.has_coco_ids
        and class_bias is not None
        and class_bias.shape == (COCO_CATEGORY_IDS[-1] + 1,)
    )
    if has_coco_ids and classes == len(COCO_CATEGORY_IDS):
        facts |= {"class_names": COCO_CLASS_NAMES, "category_ids": COCO_CATEGORY_IDS}
    load = partial(
        assign_checkpoint, checkpoint=checkpoint, other_classes=True, new_blocks=True
    )
    recipe = _RECIPE_OF.get(found.naming.name, _DEFAULT_RECIPE)
    assert recipe in RECIPES
    return PretrainedDetector(load_detector=load, recipe=recipe, **facts)
