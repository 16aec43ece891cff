"""Detectors by name: Mask R-CNN on the package's own image networks, or on others."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import keras

from keras_nonlocal.architectures import Placement
from keras_nonlocal.detection.class_labels import check_classes
from keras_nonlocal.detection.own_backbones import OwnBackbone
from keras_nonlocal.detection.pretrained import PretrainedDetector
from keras_nonlocal.detection.pyramid import feature_pyramid
from keras_nonlocal.detection.recipes import resolve_recipe
from keras_nonlocal.detection.region_model import RegionModel
from keras_nonlocal.detection.settings import Recipe
from keras_nonlocal.layers import NonLocalOptions
from keras_nonlocal.layers.block_arguments import Mode
from keras_nonlocal.tensors import Tensor


def MaskRCNN(
    backbone: keras.Model,
    classes: int,
    *,
    outputs: Mapping[str, Tensor] | None = None,
    recipe: str | Recipe = "paper",
    class_names: Sequence[str] | None = None,
    category_ids: Sequence[int] | None = None,
    seed: int | None = None,
    name: str | None = None,
) -> RegionModel:
    """Adds a feature pyramid and the heads of Mask R-CNN to a backbone.

    Args:
        backbone: A functional model for images, without a top. Its pixels are
            normalized according to `recipe.pixels`. For a backbone that normalizes
            pixels itself, use a recipe with a mean of 0 and a standard deviation of 1.
        classes: Number of classes, without the background.
        outputs: `"P2"` … `"P5"` → the backbone's Keras tensors with strides of 4, 8, 16
            and 32 pixels. Defaults to `backbone.pyramid_outputs`, which the image
            networks of this package and KerasHub's backbones have.
        recipe: `"paper"`, `"detectron2"`, `"torchvision"` or a
            `keras_nonlocal.detection.Recipe`, which contains all other values. Defaults
            to `"paper"`.
        class_names: Names of the classes. They are saved with the model.
        category_ids: The `id` of each class in COCO's files, saved with the model.
        seed: Seed of the sampling of anchors and regions in training.
        name: Name of the model. Defaults to `"mask_rcnn"`.

    Returns:
        A `keras_nonlocal.detection.RegionModel`.

    Raises:
        ValueError: If an argument does not fit.

    Example:

    >>> backbone = keras.applications.ResNet50(
    ...     include_top=False, weights=None, input_shape=(None, None, 3))
    >>> stages = {"P2": "conv2_block3_out", "P3": "conv3_block4_out",
    ...           "P4": "conv4_block6_out", "P5": "conv5_block3_out"}
    >>> detector = keras_nonlocal.detection.MaskRCNN(backbone, 3, outputs={
    ...     level: backbone.get_layer(layer).output for level, layer in stages.items()})
    >>> detector.classes
    3
    """
    classes = check_classes(classes, class_names, category_ids)
    settings = resolve_recipe(recipe)
    return RegionModel(
        feature_pyramid(backbone, settings.heads.pyramid_channels, outputs),
        classes,
        settings,
        class_names=None if class_names is None else tuple(class_names),
        category_ids=None if category_ids is None else tuple(category_ids),
        seed=seed,
        name=name or "mask_rcnn",
    )


def NLMaskRCNN50(
    classes: int = 80,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    *,
    nonlocal_blocks: int | Placement = 1,
    nonlocal_mode: Mode = "embedded_gaussian",
    nonlocal_pool_size: int | tuple[int, int] | None = 2,
    nonlocal_options: NonLocalOptions | None = None,
    width: int = 64,
    freeze_stages: Sequence[str] | None = None,
    recipe: str | Recipe | None = None,
    class_names: Sequence[str] | None = None,
    category_ids: Sequence[int] | None = None,
    seed: int | None = None,
    name: str | None = None,
) -> RegionModel:
    """Instantiates Mask R-CNN with a ResNet-50-FPN and non-local blocks.

    The paper adds one block before the last residual block of res4 and fine-tunes from
    ImageNet weights. Its schedule was not published.

    Args:
        classes: Number of classes, without the background. Defaults to `80`, COCO's.
        weights: `"imagenet"` (the weights of `keras.applications` in the backbone), the
            path of a file, or `None` (random initialization). The file is a detector of
            Detectron, Detectron2, torchvision or mmdetection, or a backbone that
            `keras_nonlocal.weights.load_checkpoint` reads. Layers that depend on the
            classes start anew if their number differs. Detections equal those of
            torchvision. Those of Detectron, whose boxes end one pixel later, and of
            Detectron2 and mmdetection, which take more samples of large regions, are
            close. Non-local blocks that the file does not have start as the identity,
            and the detections stay equal to the last bit. With weights, batch
            normalization is frozen, except in non-local blocks, whose output would
            otherwise stay zero. Defaults to `"imagenet"`.
        input_shape: `(height, width, 3)` in pixels, sides divisible by 32 or `None`.
        nonlocal_blocks: As in `keras_nonlocal.NLResNet50`. Defaults to `1`.
        nonlocal_mode: `mode` of `keras_nonlocal.layers.NonLocalBlock`.
        nonlocal_pool_size: `pool_size` of `NonLocalBlock`. Defaults to `2`, with which
            a block costs less than 5 % of the network, as stated in the paper.
        nonlocal_options: Other arguments of `NonLocalBlock`. Their normalization
            defaults to `"frozen_batch"`.
        width: Channels of conv1. Defaults to `64`.
        freeze_stages: Some of `"stem"`, `"res2"` … `"res5"`. Defaults to the stem and
            res2 with weights, to none without.
        recipe: As in `keras_nonlocal.detection.MaskRCNN`. Its pixels and the place of
            its strides are replaced by those of the weights. Defaults to the recipe of
            the project that a detector's file is of, or else to `"paper"`.
        class_names: As in `MaskRCNN`. Defaults to COCO's with a torchvision file of 91
            classes, of which 80 are used.
        category_ids: As in `MaskRCNN`. The same default.
        seed: As in `MaskRCNN`.
        name: Name of the model.

    Returns:
        A `keras_nonlocal.detection.RegionModel`. `compile` and `fit` train it;
        `predict` returns boxes, scores, labels and masks.

    Raises:
        ValueError: If an argument does not fit.
        CheckpointError: If a file cannot be read or does not fit the detector.

    Example:

    >>> model = keras_nonlocal.NLMaskRCNN50(classes=3, weights=None, width=8)
    >>> found = model.predict(np.zeros((1, 64, 64, 3)), verbose=0)
    >>> found["boxes"].shape
    (1, 100, 4)

    References:
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 6.
    """
    backbone = OwnBackbone(
        50,
        input_shape,
        {
            "nonlocal_blocks": nonlocal_blocks,
            "nonlocal_mode": nonlocal_mode,
            "nonlocal_pool_size": nonlocal_pool_size,
            "nonlocal_options": nonlocal_options,
            "width": width,
        },
        freeze_stages,
    )
    build = partial(
        _with_masks,
        class_names=class_names,
        category_ids=category_ids,
        seed=seed,
        name=name or "nl_mask_rcnn50",
    )
    return backbone.detector(weights, classes, recipe, partial(build, classes))


def NLMaskRCNN101(
    classes: int = 80,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    *,
    nonlocal_blocks: int | Placement = 1,
    nonlocal_mode: Mode = "embedded_gaussian",
    nonlocal_pool_size: int | tuple[int, int] | None = 2,
    nonlocal_options: NonLocalOptions | None = None,
    width: int = 64,
    freeze_stages: Sequence[str] | None = None,
    recipe: str | Recipe | None = None,
    class_names: Sequence[str] | None = None,
    category_ids: Sequence[int] | None = None,
    seed: int | None = None,
    name: str | None = None,
) -> RegionModel:
    """Instantiates Mask R-CNN with a ResNet-101-FPN and non-local blocks.

    See `keras_nonlocal.NLMaskRCNN50` for the arguments, the result and the
    source.
    """
    backbone = OwnBackbone(
        101,
        input_shape,
        {
            "nonlocal_blocks": nonlocal_blocks,
            "nonlocal_mode": nonlocal_mode,
            "nonlocal_pool_size": nonlocal_pool_size,
            "nonlocal_options": nonlocal_options,
            "width": width,
        },
        freeze_stages,
    )
    build = partial(
        _with_masks,
        class_names=class_names,
        category_ids=category_ids,
        seed=seed,
        name=name or "nl_mask_rcnn101",
    )
    return backbone.detector(weights, classes, recipe, partial(build, classes))


def _with_masks(
    classes: int,
    backbone: keras.Model,
    pretrained: PretrainedDetector,
    recipe: Recipe,
    *,
    class_names: Sequence[str] | None,
    category_ids: Sequence[int] | None,
    **others: Any,
) -> RegionModel:
    """Mask R-CNN on a backbone, with the classes of its weights by default."""
    return MaskRCNN(
        backbone,
        classes,
        recipe=recipe,
        class_names=pretrained.class_names if class_names is None else class_names,
        category_ids=pretrained.category_ids if category_ids is None else category_ids,
        **others,
    )
