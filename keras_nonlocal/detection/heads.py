"""The heads of a detector: proposals, boxes, masks, keypoints.

Each is a functional model on the features of one region, or of one level of the pyramid
for the proposals. Kernels are initialized as in Detectron and Detectron2.
"""

import keras
from keras import layers

from keras_nonlocal.detection.initializers import msra, normal, xavier
from keras_nonlocal.detection.keypoint_head import HeadBlocks, keypoint_head
from keras_nonlocal.detection.settings import Recipe
from keras_nonlocal.layers.map_convolution import MapConv2D


def new_heads(
    recipe: Recipe,
    classes: int,
    *,
    has_masks: bool,
    num_keypoints: int = 0,
    keypoint_blocks: HeadBlocks | None = None,
) -> dict[str, keras.Model]:
    """Returns the heads of a detector by name.

    Args:
        recipe: Their sizes.
        classes: Number of classes without the background.
        has_masks: Whether there is a mask head.
        num_keypoints: Number of keypoints; without any, there is no keypoint head.
        keypoint_blocks: The non-local blocks of the keypoint head. Defaults to none.
    """
    sizes, regions = recipe.heads, recipe.regions
    channels = sizes.pyramid_channels
    heads = {
        "rpn_head": proposal_head(channels, recipe.anchors.num_shapes),
        "box_head": box_head(channels, regions.box_pool_size, sizes.box_units, classes),
    }
    if has_masks:
        heads["mask_head"] = mask_head(
            channels,
            regions.mask_pool_size,
            sizes.mask_channels,
            sizes.mask_convolutions,
            classes,
        )
    if num_keypoints:
        heads["keypoint_head"] = keypoint_head(
            channels,
            regions.mask_pool_size,
            sizes.keypoint_channels,
            sizes.keypoint_convolutions,
            num_keypoints,
            HeadBlocks(0) if keypoint_blocks is None else keypoint_blocks,
        )
    return heads


def proposal_head(channels: int, num_shapes: int) -> keras.Model:
    """Returns the region proposal network, which all levels share.

    Args:
        channels: Channels of the pyramid.
        num_shapes: Anchors at each position.

    Returns:
        A model from features `(batch, height, width, channels)` to logits
        `(batch, height, width, num_shapes)` and offsets
        `(batch, height, width, 4 * num_shapes)`, four numbers per anchor.
    """
    features = keras.Input((None, None, channels), name="features")
    start = normal(0.01)
    x = MapConv2D(
        channels,
        3,
        padding="same",
        activation="relu",
        kernel_initializer=start,
        name="rpn_conv",
    )(features)
    logits = layers.Conv2D(
        num_shapes, 1, kernel_initializer=normal(0.01), name="rpn_logits"
    )(x)
    deltas = layers.Conv2D(
        4 * num_shapes, 1, kernel_initializer=normal(0.01), name="rpn_deltas"
    )(x)
    return keras.Model(features, [logits, deltas], name="rpn_head")


def box_head(channels: int, pool_size: int, units: int, classes: int) -> keras.Model:
    """Classifies regions and moves their boxes.

    Args:
        channels: Channels of the pyramid.
        pool_size: Side of the features of a region.
        units: Units of the two dense layers.
        classes: Classes without the background.

    Returns:
        A model from features `(regions, pool_size, pool_size, channels)` to logits
        `(regions, classes + 1)`, the background last, and offsets
        `(regions, 4 * classes)`.
    """
    features = keras.Input((pool_size, pool_size, channels), name="features")
    x = layers.Flatten(name="box_flatten")(features)
    for number in (1, 2):
        x = layers.Dense(
            units,
            activation="relu",
            kernel_initializer=xavier(),
            name=f"box_fc{number}",
        )(x)
    logits = layers.Dense(
        classes + 1, kernel_initializer=normal(0.01), name="box_logits"
    )(x)
    deltas = layers.Dense(
        4 * classes, kernel_initializer=normal(0.001), name="box_deltas"
    )(x)
    return keras.Model(features, [logits, deltas], name="box_head")


def mask_head(
    in_channels: int, pool_size: int, channels: int, convolutions: int, classes: int
) -> keras.Model:
    """Predicts the mask of each class in a region.

    Args:
        in_channels: Channels of the pyramid.
        pool_size: Side of the features of a region.
        channels: Channels of the convolutions.
        convolutions: Number of 3×3 convolutions.
        classes: Classes without the background.

    Returns:
        A model from features `(regions, pool_size, pool_size, in_channels)` to logits
        `(regions, 2 * pool_size, 2 * pool_size, classes)`.
    """
    features = keras.Input((pool_size, pool_size, in_channels), name="features")
    x = features
    for number in range(1, convolutions + 1):
        x = layers.Conv2D(
            channels,
            3,
            padding="same",
            activation="relu",
            kernel_initializer=msra(),
            name=f"mask_conv{number}",
        )(x)
    x = layers.Conv2DTranspose(
        channels,
        2,
        2,
        activation="relu",
        kernel_initializer=msra(),
        name="mask_deconv",
    )(x)
    logits = layers.Conv2D(
        classes, 1, kernel_initializer=normal(0.001), name="mask_logits"
    )(x)
    return keras.Model(features, logits, name="mask_head")
