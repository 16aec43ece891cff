"""`KeypointRCNN`: keypoint detection on any image network."""

from collections.abc import Mapping, Sequence

import keras

from keras_nonlocal.detection.class_labels import check_classes
from keras_nonlocal.detection.heads import new_heads
from keras_nonlocal.detection.keypoint_head import HeadBlocks
from keras_nonlocal.detection.keypoint_set import KeypointSet
from keras_nonlocal.detection.pyramid import feature_pyramid
from keras_nonlocal.detection.recipes import resolve_recipe
from keras_nonlocal.detection.region_model import RegionModel
from keras_nonlocal.detection.settings import Recipe
from keras_nonlocal.layers import NonLocalOptions
from keras_nonlocal.layers.block_arguments import Mode
from keras_nonlocal.tensors import Tensor

Pairs = Sequence[Sequence[int]]


def KeypointRCNN(
    backbone: keras.Model,
    num_keypoints: int = 17,
    classes: int = 1,
    *,
    head_nonlocal_blocks: int = 4,
    head_nonlocal_mode: Mode = "embedded_gaussian",
    head_nonlocal_pool_size: int | tuple[int, int] | None = None,
    nonlocal_options: NonLocalOptions | None = None,
    outputs: Mapping[str, Tensor] | None = None,
    recipe: str | Recipe = "paper_keypoints",
    class_names: Sequence[str] | None = None,
    category_ids: Sequence[int] | None = None,
    keypoint_names: Sequence[str] | None = None,
    flip_pairs: Pairs | None = None,
    oks_sigmas: Sequence[float] | None = None,
    skeleton: Pairs | None = None,
    seed: int | None = None,
    name: str | None = None,
) -> RegionModel:
    """Adds a feature pyramid and the heads of keypoint detection to a backbone.

    Args:
        backbone: As in `keras_nonlocal.detection.MaskRCNN`.
        num_keypoints: Number of keypoints of an object. Defaults to `17`, COCO's.
        classes: Number of classes, without the background. Defaults to `1`.
        head_nonlocal_blocks: Number of non-local blocks in the keypoint head, one after
            every second of its convolutions, from the first ones on. Defaults to `4`,
            as in the paper, which is one after every second of 8.
        head_nonlocal_mode: `mode` of `keras_nonlocal.layers.NonLocalBlock` in the head.
        head_nonlocal_pool_size: `pool_size` of `NonLocalBlock` in the head. Defaults to
            `None`; the paper does not state it.
        nonlocal_options: Other arguments of `NonLocalBlock` in the head. Their
            normalization defaults to `"frozen_batch"`.
        outputs: As in `MaskRCNN`.
        recipe: A name in `keras_nonlocal.detection.RECIPES`, or a
            `keras_nonlocal.detection.Recipe`. Defaults to `"paper_keypoints"`.
        class_names: As in `MaskRCNN`.
        category_ids: As in `MaskRCNN`.
        keypoint_names: Names of the keypoints. They and the next three are saved with
            the model, and `keras_nonlocal.data.CocoDataset` has them as attributes. All
            four default to COCO's if there are 17 keypoints without names.
        flip_pairs: Pairs of indices of keypoints that change places in a mirrored
            picture.
        oks_sigmas: Standard deviation of each keypoint in the object keypoint
            similarity, for `keras_nonlocal.evaluate_coco`.
        skeleton: Pairs of indices of keypoints that drawings connect.
        seed: As in `MaskRCNN`.
        name: Name of the model. Defaults to `"keypoint_rcnn"`.

    Returns:
        A `keras_nonlocal.detection.RegionModel`.

    Raises:
        ValueError: If an argument does not fit.

    Example:

    >>> backbone = keras_nonlocal.NLResNet50(
    ...     include_top=False, input_shape=(64, 64, 3), width=8)
    >>> detector = keras_nonlocal.detection.KeypointRCNN(
    ...     backbone, 3, keypoint_names=("head", "left hand", "right hand"),
    ...     flip_pairs=[(1, 2)], oks_sigmas=[0.05, 0.1, 0.1])
    >>> detector.keypoints.flip_pairs
    ((1, 2),)

    References:
        [Mask R-CNN](https://arxiv.org/abs/1703.06870), section 5;
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 6.
    """
    classes = check_classes(classes, class_names, category_ids)
    keypoints = KeypointSet.of(
        num_keypoints, keypoint_names, flip_pairs, oks_sigmas, skeleton
    )
    settings = resolve_recipe(recipe)
    blocks = HeadBlocks(
        head_nonlocal_blocks,
        head_nonlocal_mode,
        head_nonlocal_pool_size,
        nonlocal_options or {},
    )
    blocks.check(settings.heads.keypoint_convolutions)
    pyramid = feature_pyramid(backbone, settings.heads.pyramid_channels, outputs)
    return RegionModel(
        pyramid,
        classes,
        settings,
        has_masks=False,
        keypoints=keypoints,
        class_names=None if class_names is None else tuple(class_names),
        category_ids=None if category_ids is None else tuple(category_ids),
        seed=seed,
        heads=new_heads(
            settings,
            classes,
            has_masks=False,
            num_keypoints=keypoints.count,
            keypoint_blocks=blocks,
        ),
        name=name or "keypoint_rcnn",
    )
