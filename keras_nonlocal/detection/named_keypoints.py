"""Keypoint detectors by name, on the package's own image networks."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import keras

from keras_nonlocal.architectures import Placement
from keras_nonlocal.detection.keypoint_rcnn import KeypointRCNN, Pairs
from keras_nonlocal.detection.own_backbones import OwnBackbone
from keras_nonlocal.detection.pretrained import PretrainedDetector
from keras_nonlocal.detection.region_model import RegionModel
from keras_nonlocal.detection.settings import Recipe
from keras_nonlocal.layers import NonLocalOptions
from keras_nonlocal.layers.block_arguments import Mode


def NLKeypointRCNN50(
    num_keypoints: int = 17,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    *,
    classes: int = 1,
    head_nonlocal_blocks: int = 4,
    head_nonlocal_mode: Mode = "embedded_gaussian",
    head_nonlocal_pool_size: int | tuple[int, int] | None = None,
    nonlocal_blocks: int | Placement = 1,
    nonlocal_mode: Mode = "embedded_gaussian",
    nonlocal_pool_size: int | tuple[int, int] | None = 2,
    nonlocal_options: NonLocalOptions | None = None,
    width: int = 64,
    freeze_stages: Sequence[str] | None = None,
    recipe: str | Recipe | None = None,
    class_names: Sequence[str] | None = None,
    category_ids: Sequence[int] | None = None,
    keypoint_names: Sequence[str] | None = None,
    flip_pairs: Pairs | None = None,
    oks_sigmas: Sequence[float] | None = None,
    skeleton: Pairs | None = None,
    seed: int | None = None,
    name: str | None = None,
) -> RegionModel:
    """Instantiates keypoint detection with a ResNet-50-FPN and non-local blocks.

    The paper adds four blocks to the keypoint head, one after every second of its eight
    convolutions, and one block to the backbone.

    Args:
        num_keypoints: Number of keypoints of an object. Defaults to `17`, COCO's.
        weights: As in `keras_nonlocal.NLMaskRCNN50`. Files of keypoint detectors are of
            Detectron, Detectron2 or torchvision. Layers that depend on the keypoints or
            the classes start anew if their number differs. Defaults to `"imagenet"`.
        input_shape: As in `NLMaskRCNN50`.
        classes: Number of classes, without the background. Defaults to `1`.
        head_nonlocal_blocks: As in `keras_nonlocal.detection.KeypointRCNN`. Defaults to
            `4`.
        head_nonlocal_mode: As in `KeypointRCNN`.
        head_nonlocal_pool_size: As in `KeypointRCNN`. Defaults to `None`.
        nonlocal_blocks: Blocks in the backbone, as in `keras_nonlocal.NLResNet50`.
            Defaults to `1`.
        nonlocal_mode: `mode` of `keras_nonlocal.layers.NonLocalBlock` in the backbone.
        nonlocal_pool_size: `pool_size` of `NonLocalBlock` in the backbone. Defaults to
            `2`.
        nonlocal_options: Other arguments of all blocks. Their normalization defaults to
            `"frozen_batch"`.
        width: Channels of conv1. Defaults to `64`.
        freeze_stages: As in `NLMaskRCNN50`.
        recipe: As in `KeypointRCNN`. Its pixels and the place of its strides are
            replaced by those of the weights. Defaults to the recipe for keypoints of
            the project that a detector's file is of, or else to `"paper_keypoints"`.
        class_names: As in `KeypointRCNN`. With the file of a detector and one class, it
            defaults to COCO's person.
        category_ids: As in `KeypointRCNN`. The same default.
        keypoint_names: As in `KeypointRCNN`.
        flip_pairs: As in `KeypointRCNN`.
        oks_sigmas: As in `KeypointRCNN`.
        skeleton: As in `KeypointRCNN`.
        seed: As in `KeypointRCNN`.
        name: Name of the model.

    Returns:
        A `keras_nonlocal.detection.RegionModel`. `compile` and `fit` train it;
        `predict` returns boxes, scores, labels and keypoints.

    Raises:
        ValueError: If an argument does not fit.
        CheckpointError: If a file cannot be read or does not fit the detector.

    Example:

    >>> model = keras_nonlocal.NLKeypointRCNN50(weights=None, width=8)
    >>> found = model.predict(np.zeros((1, 64, 64, 3)), verbose=0)
    >>> found["keypoints"].shape
    (1, 100, 17, 3)

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
    arguments = {
        "num_keypoints": num_keypoints,
        "classes": classes,
        "head_nonlocal_blocks": head_nonlocal_blocks,
        "head_nonlocal_mode": head_nonlocal_mode,
        "head_nonlocal_pool_size": head_nonlocal_pool_size,
        "nonlocal_options": nonlocal_options,
        "class_names": class_names,
        "category_ids": category_ids,
        "keypoint_names": keypoint_names,
        "flip_pairs": flip_pairs,
        "oks_sigmas": oks_sigmas,
        "skeleton": skeleton,
        "seed": seed,
        "name": name or "nl_keypoint_rcnn50",
    }
    build = partial(_with_keypoints, arguments)
    return backbone.detector(weights, classes, recipe, build, has_keypoints=True)


def NLKeypointRCNN101(
    num_keypoints: int = 17,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    *,
    classes: int = 1,
    head_nonlocal_blocks: int = 4,
    head_nonlocal_mode: Mode = "embedded_gaussian",
    head_nonlocal_pool_size: int | tuple[int, int] | None = None,
    nonlocal_blocks: int | Placement = 1,
    nonlocal_mode: Mode = "embedded_gaussian",
    nonlocal_pool_size: int | tuple[int, int] | None = 2,
    nonlocal_options: NonLocalOptions | None = None,
    width: int = 64,
    freeze_stages: Sequence[str] | None = None,
    recipe: str | Recipe | None = None,
    class_names: Sequence[str] | None = None,
    category_ids: Sequence[int] | None = None,
    keypoint_names: Sequence[str] | None = None,
    flip_pairs: Pairs | None = None,
    oks_sigmas: Sequence[float] | None = None,
    skeleton: Pairs | None = None,
    seed: int | None = None,
    name: str | None = None,
) -> RegionModel:
    """Instantiates keypoint detection with a ResNet-101-FPN and non-local blocks.

    See `keras_nonlocal.NLKeypointRCNN50` for the arguments, the result and the source.
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
    arguments = {
        "num_keypoints": num_keypoints,
        "classes": classes,
        "head_nonlocal_blocks": head_nonlocal_blocks,
        "head_nonlocal_mode": head_nonlocal_mode,
        "head_nonlocal_pool_size": head_nonlocal_pool_size,
        "nonlocal_options": nonlocal_options,
        "class_names": class_names,
        "category_ids": category_ids,
        "keypoint_names": keypoint_names,
        "flip_pairs": flip_pairs,
        "oks_sigmas": oks_sigmas,
        "skeleton": skeleton,
        "seed": seed,
        "name": name or "nl_keypoint_rcnn101",
    }
    build = partial(_with_keypoints, arguments)
    return backbone.detector(weights, classes, recipe, build, has_keypoints=True)


def _with_keypoints(
    arguments: Mapping[str, Any],
    backbone: keras.Model,
    pretrained: PretrainedDetector,
    recipe: Recipe,
) -> RegionModel:
    """Keypoint R-CNN on a backbone, with the classes of its weights by default."""
    arguments = dict(arguments)
    for argument in ("class_names", "category_ids"):
        if arguments[argument] is None:
            arguments[argument] = getattr(pretrained, argument)
    return KeypointRCNN(backbone, recipe=recipe, **arguments)
