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
from keras_nonlocal.layers import FrozenBatchNormalization, FusedBatchNormalization

# (stage name, layer name) -> the layer that follows a residual block.
NonLocalFactory = Callable[[str, str], keras.layers.Layer]

_CONVOLUTION = {2: layers.Conv2D, 3: layers.Conv3D}
_ZERO_PADDING = {2: layers.ZeroPadding2D, 3: layers.ZeroPadding3D}
_MAX_POOLING = {2: layers.MaxPooling2D, 3: layers.MaxPooling3D}
AVERAGE_POOLING = {2: layers.AveragePooling2D, 3: layers.AveragePooling3D}
GLOBAL_AVERAGE_POOLING = {
    2: layers.GlobalAveragePooling2D,
    3: layers.GlobalAveragePooling3D,
}
# What may follow a convolution.
NORMALIZATIONS: dict[str, Callable[..., keras.layers.Layer]] = {
    "batch": FusedBatchNormalization,
    "frozen_batch": FrozenBatchNormalization,
    "synchronized_batch": partial(layers.BatchNormalization, synchronized=True),
}
GLOBAL_MAX_POOLING = {2: layers.GlobalMaxPooling2D, 3: layers.GlobalMaxPooling3D}


def residual_stages(
    x: Any,
    spec: NetworkSpec,
    nonlocal_factory: NonLocalFactory,
    kernel_regularizer: Any,
    normalization: str,
) -> dict[str, Any]:
    """Applies the stem and res2 … res5.

    Args:
        x: Clips `(batch, frames, height, width, channels)` or images
            `(batch, height, width, channels)`, or their `"channels_first"` forms.
        spec: The expanded network.
        nonlocal_factory: Makes the layer of each non-local place.
        kernel_regularizer: For the kernel of every convolution.
        normalization: One of `NORMALIZATIONS`, what follows every convolution.

    Returns:
        Stage name → features after the stage, before any pooling that follows it.
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
            x = layers.MaxPooling3D((2, 1, 1), name="pool2_pool")(x)
    return features


def _stem(x: Any, spec: StemSpec, kernel_regularizer: Any, normalization: str) -> Any:
    x = _convolution_norm(
        x,
        "conv1",
        spec.filters,
        spec.kernel_size,
        spec.strides,
        kernel_regularizer=kernel_regularizer,
        normalization=normalization,
    )
    x = layers.Activation("relu", name="conv1_relu")(x)
    rank = len(spec.pool_size)
    if any(spec.pool_padding):
        # Zeros do not change the maximum of what a ReLU puts out.
        x = _ZERO_PADDING[rank](spec.pool_padding, name="pool1_pad")(x)
    return _MAX_POOLING[rank](spec.pool_size, spec.pool_strides, name="pool1_pool")(x)


def _bottleneck(
    x: Any, spec: BottleneckSpec, kernel_regularizer: Any, normalization: str
) -> Any:
    shortcut = x
    if spec.shortcut_strides is not None:
        shortcut = _convolution_norm(
            x,
            f"{spec.name}_0",
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
            f"{spec.name}_{number}",
            EXPANSION * spec.filters if last else spec.filters,
            kernel_size,
            strides,
            kernel_regularizer=kernel_regularizer,
            normalization=normalization,
            # As in the released training (MODEL.BN_INIT_GAMMA: 0.0) and PySlowFast
            # (RESNET.ZERO_INIT_FINAL_BN: True): a residual branch starts silent.
            gamma_initializer="zeros" if last else "ones",
        )
        if not last:
            x = layers.Activation("relu", name=f"{spec.name}_{number}_relu")(x)
    x = layers.Add(name=f"{spec.name}_add")([shortcut, x])
    return layers.Activation("relu", name=f"{spec.name}_out")(x)


def _convolution_norm(
    x: Any,
    name: str,
    filters: int,
    kernel_size: Sequence[int],
    strides: Sequence[int],
    *,
    kernel_regularizer: Any,
    normalization: str,
    gamma_initializer: str = "ones",
) -> Any:
    """Convolution without bias, then batch normalisation.

    Padding is `kernel_size // 2` on both sides of every axis. `"same"` means that only
    where no axis has a stride; elsewhere it would pad the far side alone. Kernels start
    from the normal distribution of the released code, Caffe2's `MSRAFill`.
    """
    rank = len(kernel_size)
    padding = "same"
    if max(strides) > 1:
        padding = "valid"
        margins = tuple(extent // 2 for extent in kernel_size)
        if any(margins):
            x = _ZERO_PADDING[rank](margins, name=f"{name}_pad")(x)
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
        name=f"{name}_conv",
    )(x)
    return NORMALIZATIONS[normalization](
        axis=channel_axis(),
        momentum=BATCH_NORM_MOMENTUM,
        epsilon=BATCH_NORM_EPSILON,
        gamma_initializer=gamma_initializer,
        name=f"{name}_bn",
    )(x)


def channel_axis() -> int:
    """The axis of the channels under Keras's current image data format."""
    return 1 if keras.config.image_data_format() == "channels_first" else -1
