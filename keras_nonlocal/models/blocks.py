"""Stem, bottleneck and stages of a ResNet over any number of position axes."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
from keras import layers

from keras_nonlocal.architectures import (
    BATCH_NORM_EPSILON,
    BATCH_NORM_MOMENTUM,
    EXPANSION,
    BottleneckSpec,
    NetworkSpec,
    StemSpec,
)
from keras_nonlocal.layer_names import (
    STEM,
    STEM_POOL,
    TEMPORAL_POOL,
    branch_name,
    convolution_name,
    norm_name,
    output_name,
    pad_name,
    pool_name,
    relu_name,
    sum_name,
)
from keras_nonlocal.layers import FrozenBatchNormalization, FusedBatchNormalization
from keras_nonlocal.layers.block_arguments import Normalization
from keras_nonlocal.layers.folded_convolution import FoldedConv3D
from keras_nonlocal.tensors import Tensor

# (stage name, layer name) -> the layer that follows a residual block.
NonLocalFactory = Callable[[str, str], keras.layers.Layer]

_CONVOLUTION = {2: layers.Conv2D, 3: FoldedConv3D}
_ZERO_PADDING = {2: layers.ZeroPadding2D, 3: layers.ZeroPadding3D}
_MAX_POOLING = {2: layers.MaxPooling2D, 3: layers.MaxPooling3D}
AVERAGE_POOLING = {2: layers.AveragePooling2D, 3: layers.AveragePooling3D}
GLOBAL_AVERAGE_POOLING = {
    2: layers.GlobalAveragePooling2D,
    3: layers.GlobalAveragePooling3D,
}
# Layers that may follow a convolution.
NORMALIZATIONS: dict[Normalization, Callable[..., keras.layers.Layer]] = {
    "batch": FusedBatchNormalization,
    "frozen_batch": FrozenBatchNormalization,
    "synchronized_batch": partial(layers.BatchNormalization, synchronized=True),
}
GLOBAL_MAX_POOLING = {2: layers.GlobalMaxPooling2D, 3: layers.GlobalMaxPooling3D}


def residual_stages(
    x: Tensor,
    spec: NetworkSpec,
    nonlocal_factory: NonLocalFactory,
    kernel_regularizer: Any,
    normalization: Normalization,
) -> dict[str, Tensor]:
    """Applies the stem and res2 … res5.

    Args:
        x: Clips `(batch, frames, height, width, channels)` or images
            `(batch, height, width, channels)`, or their `"channels_first"` forms.
        spec: The expanded network.
        nonlocal_factory: Creates the non-local layer at each placement.
        kernel_regularizer: Regularizer of all convolution kernels.
        normalization: The normalization after every convolution, one of
            `NORMALIZATIONS`.

    Returns:
        A mapping from stage name to the features after the stage, before any pooling.
    """
    x = _stem(x, spec.stem, kernel_regularizer, normalization)
    features = {}
    for stage in spec.stages:
        for block in stage.blocks:
            x = _bottleneck(x, block, kernel_regularizer, normalization)
            if block.nonlocal_name is not None:
                x = nonlocal_factory(stage.name, block.nonlocal_name)(x)
        features[stage.name] = x
        if stage.name == spec.temporal_pool_after:
            x = layers.MaxPooling3D((2, 1, 1), name=TEMPORAL_POOL)(x)
    return features


def _stem(
    x: Tensor, spec: StemSpec, kernel_regularizer: Any, normalization: Normalization
) -> Tensor:
    x = _convolution_norm(
        x,
        STEM,
        spec.filters,
        spec.kernel_size,
        spec.strides,
        kernel_regularizer=kernel_regularizer,
        normalization=normalization,
    )
    x = layers.Activation("relu", name=relu_name(STEM))(x)
    rank = len(spec.pool_size)
    if any(spec.pool_padding):
        # Padding with zeros does not change the maximum of ReLU outputs.
        x = _ZERO_PADDING[rank](spec.pool_padding, name=pad_name(STEM_POOL))(x)
    return _MAX_POOLING[rank](
        spec.pool_size, spec.pool_strides, name=pool_name(STEM_POOL)
    )(x)


def _bottleneck(
    x: Tensor,
    spec: BottleneckSpec,
    kernel_regularizer: Any,
    normalization: Normalization,
) -> Tensor:
    shortcut = x
    if spec.shortcut_strides is not None:
        shortcut = _convolution_norm(
            x,
            branch_name(spec.name, 0),
            EXPANSION * spec.filters,
            (1,) * len(spec.shortcut_strides),
            spec.shortcut_strides,
            kernel_regularizer=kernel_regularizer,
            normalization=normalization,
        )
    for number, (kernel_size, strides) in enumerate(
        zip(spec.kernel_sizes, spec.strides, strict=True), start=1
    ):
        last = number == len(spec.kernel_sizes)
        x = _convolution_norm(
            x,
            branch_name(spec.name, number),
            EXPANSION * spec.filters if last else spec.filters,
            kernel_size,
            strides,
            kernel_regularizer=kernel_regularizer,
            normalization=normalization,
            # As in the released training (MODEL.BN_INIT_GAMMA: 0.0) and PySlowFast
            # (RESNET.ZERO_INIT_FINAL_BN: True): a residual branch starts at zero.
            gamma_initializer="zeros" if last else "ones",
        )
        if not last:
            x = layers.Activation(
                "relu", name=relu_name(branch_name(spec.name, number))
            )(x)
    x = layers.Add(name=sum_name(spec.name))([shortcut, x])
    return layers.Activation("relu", name=output_name(spec.name))(x)


def _convolution_norm(
    x: Tensor,
    name: str,
    filters: int,
    kernel_size: Sequence[int],
    strides: Sequence[int],
    *,
    kernel_regularizer: Any,
    normalization: Normalization,
    gamma_initializer: str = "ones",
) -> Tensor:
    """Applies a convolution without bias and a batch normalization.

    Padding is `kernel_size // 2` on both sides of every axis. `"same"` is equivalent
    only without strides; with strides, it would pad the far side alone. Kernels are
    initialized from the normal distribution of the released code, Caffe2's `MSRAFill`.
    """
    rank = len(kernel_size)
    padding = "same"
    if max(strides) > 1:
        padding = "valid"
        margins = tuple(extent // 2 for extent in kernel_size)
        if any(margins):
            x = _ZERO_PADDING[rank](margins, name=pad_name(name))(x)
    x = _CONVOLUTION[rank](
        filters,
        kernel_size,
        strides,
        padding=padding,
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(
            2.0, mode="fan_out", distribution="untruncated_normal"
        ),
        kernel_regularizer=kernel_regularizer,
        name=convolution_name(name),
    )(x)
    return NORMALIZATIONS[normalization](
        axis=channel_axis(),
        momentum=BATCH_NORM_MOMENTUM,
        epsilon=BATCH_NORM_EPSILON,
        gamma_initializer=gamma_initializer,
        name=norm_name(name),
    )(x)


def channel_axis() -> int:
    """Returns the channel axis of Keras's current image data format."""
    return 1 if keras.config.image_data_format() == "channels_first" else -1
