"""The keypoint head: heat maps of regions, with non-local blocks."""

from dataclasses import dataclass, field
from typing import Any

import keras
from keras import layers

from keras_nonlocal.arguments import check_count
from keras_nonlocal.detection.initializers import msra
from keras_nonlocal.layers import NonLocalBlock, NonLocalOptions
from keras_nonlocal.layers.block_arguments import Mode

# Convolutions before each block.
_BLOCK_EVERY = 2


@dataclass(frozen=True)
class HeadBlocks:
    """The non-local blocks of a keypoint head.

    Args:
        number: How many there are, after the convolutions 2, 4, 6 and so on.
        mode: `mode` of `keras_nonlocal.layers.NonLocalBlock`.
        pool_size: `pool_size` of `NonLocalBlock`.
        options: Other arguments of `NonLocalBlock`.
    """

    number: int = 4
    mode: Mode = "embedded_gaussian"
    pool_size: int | tuple[int, int] | None = None
    options: NonLocalOptions = field(default_factory=NonLocalOptions)

    def check(self, convolutions: int) -> None:
        """Raises `ValueError` if so many convolutions have no place for the blocks."""
        number = check_count("head_nonlocal_blocks", self.number)
        most = convolutions // _BLOCK_EVERY
        if number > most:
            raise ValueError(
                f"`head_nonlocal_blocks` must be at most {most}, one for every "
                f"{_BLOCK_EVERY} convolutions. Received: head_nonlocal_blocks={number}"
            )

    def after(self, convolution: int) -> NonLocalBlock | None:
        """Returns the new block after a convolution, if there is one.

        Args:
            convolution: Number of the convolution, from 1.
        """
        place, rest = divmod(convolution, _BLOCK_EVERY)
        if rest or place > self.number:
            return None
        options: Any = {"normalization": "frozen_batch"} | self.options
        return NonLocalBlock(
            mode=self.mode,
            pool_size=self.pool_size,
            name=block_name(convolution),
            **options,
        )


def block_name(convolution: int) -> str:
    """Name of the non-local block after a convolution of the head."""
    return f"keypoint_conv{convolution}_nl"


def keypoint_head(
    in_channels: int,
    pool_size: int,
    channels: int,
    convolutions: int,
    num_keypoints: int,
    blocks: HeadBlocks,
) -> keras.Model:
    """Predicts a heat map of each keypoint in a region.

    Args:
        in_channels: Channels of the pyramid.
        pool_size: Side of the features of a region.
        channels: Channels of the convolutions.
        convolutions: Number of 3×3 convolutions.
        num_keypoints: Number of keypoints.
        blocks: The non-local blocks.

    Returns:
        A model from features `(regions, pool_size, pool_size, in_channels)` to logits
        in `float32`, `(regions, 4 * pool_size, 4 * pool_size, num_keypoints)`.

    References:
        [Mask R-CNN](https://arxiv.org/abs/1703.06870), section 5;
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 6.
    """
    blocks.check(convolutions)
    features = keras.Input((pool_size, pool_size, in_channels), name="features")
    x = features
    for number in range(1, convolutions + 1):
        x = layers.Conv2D(
            channels,
            3,
            padding="same",
            activation="relu",
            kernel_initializer=msra(),
            name=f"keypoint_conv{number}",
        )(x)
        block = blocks.after(number)
        x = x if block is None else block(x)
    x = layers.Conv2DTranspose(
        num_keypoints,
        4,
        2,
        padding="same",
        kernel_initializer=msra(),
        name="keypoint_deconv",
    )(x)
    # The largest of neighboring values decides, so they must not be rounded.
    logits = layers.UpSampling2D(
        2, interpolation="bilinear", dtype="float32", name="keypoint_upsampling"
    )(x)
    return keras.Model(features, logits, name="keypoint_head")
