"""C2D and I3D networks for clips, with and without non-local blocks."""

import os
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

import keras
from keras import layers

from keras_nonlocal.architectures import VARIANTS, NetworkSpec, Placement, network_spec
from keras_nonlocal.layers import NonLocalBlock
from keras_nonlocal.models.blocks import (
    GLOBAL_AVERAGE_POOLING,
    GLOBAL_MAX_POOLING,
    channel_axis,
    residual_stages,
)
from keras_nonlocal.models.preprocessing import preprocessing_layer

Activation = str | Callable[[Any], Any] | None


class NetworkOptions(TypedDict, total=False):
    """The keyword-only arguments of `NLResNet`, as the named builders take them."""

    nonlocal_blocks: int | Placement
    nonlocal_mode: str
    nonlocal_scope: str
    nonlocal_pool_size: int | tuple[int, int, int] | None
    nonlocal_temporal_group_size: int | Mapping[str, int] | None
    stem_temporal_strides: tuple[int, int]
    stem_pool_padding: str
    stride_in_1x1: bool
    width: int
    dropout_rate: float
    kernel_regularizer: Any
    include_preprocessing: bool


def NLResNet(
    depth: int,
    variant: str,
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = None,
    input_tensor: Any = None,
    input_shape: tuple[int | None, ...] | None = None,
    pooling: str | None = None,
    classes: int = 400,
    classifier_activation: Activation = "softmax",
    name: str | None = None,
    *,
    nonlocal_blocks: int | Placement = 5,
    nonlocal_mode: str = "embedded_gaussian",
    nonlocal_scope: str = "spacetime",
    nonlocal_pool_size: int | tuple[int, int, int] | None = (1, 2, 2),
    nonlocal_temporal_group_size: int | Mapping[str, int] | None = None,
    stem_temporal_strides: tuple[int, int] = (1, 1),
    stem_pool_padding: str = "same",
    stride_in_1x1: bool = False,
    width: int = 64,
    dropout_rate: float = 0.5,
    kernel_regularizer: Any = None,
    include_preprocessing: bool = False,
) -> keras.Model:
    """Instantiates a ResNet for clips, with non-local blocks between its blocks.

    The defaults give the released 8-frame layout with 5 embedded Gaussian blocks. The
    model takes clips as `keras_nonlocal.preprocess_input` leaves them, unless
    `include_preprocessing` is set.

    Args:
        depth: 50, 101 or 152.
        variant: `"c2d"` (per-frame convolutions), `"i3d"` (conv1 5×7×7, every second
            bottleneck 3×1×1) or `"i3d_3x3x3"` (the same bottlenecks, their 3×3
            inflated).
        include_top: Whether to put the classifier on top.
        weights: `None` (random initialisation) or the path of a file that
            `model.save_weights()` of the same network wrote. Defaults to `None`.
        input_tensor: Optional Keras tensor to use as the clips.
        input_shape: `(num_frames, height, width, channels)`, channels first if that is
            Keras's image data format. Every size except the channels may be `None`.
            Defaults to 8 frames (times the stem's temporal strides) of 224×224 pixels
            in RGB, and to RGB of any size if `include_top` is `False`.
        pooling: What follows the last convolution when `include_top` is `False`:
            `None`, `"avg"` or `"max"`, over all positions.
        classes: Number of classes of the classifier.
        classifier_activation: Activation of the classifier; `None` for logits.
        name: Name of the model. Defaults to a name made of the arguments.
        nonlocal_blocks: 0, 1, 5, 10, or a mapping from stage to the indices of the
            residual blocks that a non-local block follows, such as
            `{"res3": (1, 3), "res4": (1, 3, 5)}`. Defaults to `5`.
        nonlocal_mode: `mode` of `keras_nonlocal.layers.NonLocalBlock`.
        nonlocal_scope: `scope` of `NonLocalBlock`.
        nonlocal_pool_size: `pool_size` of `NonLocalBlock`.
        nonlocal_temporal_group_size: `temporal_group_size` of `NonLocalBlock` in
            frames of its input: one value for all blocks, or a mapping from stage to
            value (`{"res3": 4}` in the released frozen-BN models of 32 frames).
        stem_temporal_strides: Temporal strides of conv1 and pool1. Defaults to
            `(1, 1)`, the 8-frame layout; the paper's 32-frame layout is `(2, 2)`.
        stem_pool_padding: `"same"` pads pool1 by 1, `"valid"` does not, as in the
            released Caffe2 networks.
        stride_in_1x1: Whether a down-sampling bottleneck strides in its first 1×1
            convolution, as in `keras.applications.ResNet50`. Defaults to `False`.
        width: Channels of conv1. Defaults to `64`.
        dropout_rate: Share of the features dropped before the classifier in training.
        kernel_regularizer: For the kernels of all convolutions and the classifier.
        include_preprocessing: Whether the model begins with `preprocess_input`, so
            that it takes pixels from 0 to 255. Defaults to `False`.

    Returns:
        A functional `keras.Model` from clips
        `(batch, num_frames, height, width, channels)` to `(batch, classes)`, or to
        features `(batch, frames, height, width, 32 * width)` without the top, or to
        `(batch, 32 * width)` with `pooling`.

    Raises:
        ValueError: If an argument has a value it cannot have.

    Example:

    >>> model = keras_nonlocal.NLResNet(
    ...     50, "i3d", input_shape=(8, 64, 64, 3), classes=5, width=8)
    >>> model.output_shape
    (None, 5)

    References:
        - [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), Table 1 and
          sections 4, 5.1.
        - `lib/models/resnet_video.py` (8 frames) and `lib/models/resnet_video_org.py`
          (32 frames) of https://github.com/facebookresearch/video-nonlocal-net.
    """
    video_variants = tuple(key for key, row in VARIANTS.items() if row.rank == 3)
    if variant not in video_variants:
        raise ValueError(
            f"`variant` must be one of {video_variants}. Received: variant={variant!r}"
        )
    spec = network_spec(
        depth,
        variant,
        nonlocal_blocks=nonlocal_blocks,
        width=width,
        stem_temporal_strides=stem_temporal_strides,
        stem_pool_padding=stem_pool_padding,
        stride_in_1x1=stride_in_1x1,
    )
    _check_head(include_top, pooling, classes, dropout_rate)
    weights_path = _checked_weights(weights)
    clips = _input(input_tensor, input_shape, include_top, spec)
    _check_clip_shape(clips.shape, spec)

    def nonlocal_block(stage: str, layer_name: str) -> NonLocalBlock:
        group_size = nonlocal_temporal_group_size
        return NonLocalBlock(
            mode=nonlocal_mode,
            scope=nonlocal_scope,
            pool_size=nonlocal_pool_size,
            temporal_group_size=(
                group_size.get(stage) if isinstance(group_size, Mapping) else group_size
            ),
            kernel_regularizer=kernel_regularizer,
            name=layer_name,
        )

    x = preprocessing_layer()(clips) if include_preprocessing else clips
    x = residual_stages(x, spec, nonlocal_block, kernel_regularizer)["res5"]
    if include_top:
        x = GLOBAL_AVERAGE_POOLING[spec.rank](name="avg_pool")(x)
        x = layers.Dropout(dropout_rate, name="dropout")(x)
        x = layers.Dense(
            classes,
            activation=classifier_activation,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            kernel_regularizer=kernel_regularizer,
            dtype=_classifier_dtype(),
            name="predictions",
        )(x)
    elif pooling == "avg":
        x = GLOBAL_AVERAGE_POOLING[spec.rank](name="avg_pool")(x)
    elif pooling == "max":
        x = GLOBAL_MAX_POOLING[spec.rank](name="max_pool")(x)
    inputs = clips
    if input_tensor is not None:
        inputs = keras.utils.get_source_inputs(input_tensor)
    model = keras.Model(inputs, x, name=name or _default_name(spec))
    if weights_path is not None:
        model.load_weights(weights_path)
    return model


def _check_head(
    include_top: bool, pooling: str | None, classes: int, dropout_rate: float
) -> None:
    if pooling not in (None, "avg", "max"):
        raise ValueError(
            f'`pooling` must be `None`, "avg" or "max". Received: pooling={pooling!r}'
        )
    if include_top and (not isinstance(classes, int) or classes < 1):
        raise ValueError(
            f"`classes` must be a positive integer. Received: classes={classes!r}"
        )
    if not 0 <= dropout_rate < 1:
        raise ValueError(
            "`dropout_rate` must be at least 0 and less than 1. "
            f"Received: dropout_rate={dropout_rate!r}"
        )


def _checked_weights(weights: str | os.PathLike[str] | None) -> str | None:
    if weights is None:
        return None
    path = os.fspath(weights)
    if not os.path.exists(path):
        raise ValueError(
            "`weights` must be `None` or the path of an existing weights file. "
            f"Received: weights={path!r}"
        )
    return path


def _input(
    input_tensor: Any,
    input_shape: tuple[int | None, ...] | None,
    include_top: bool,
    spec: NetworkSpec,
) -> Any:
    if input_shape is None:
        if include_top:
            frames = 8 * spec.stem.strides[0] * spec.stem.pool_strides[0]
            positions: tuple[int | None, ...] = (frames, 224, 224)
        else:
            positions = (None, None, None)
        channels_first = keras.config.image_data_format() == "channels_first"
        input_shape = (3, *positions) if channels_first else (*positions, 3)
    if input_tensor is None:
        if not isinstance(input_shape, (tuple, list)) or len(input_shape) != 4:
            raise ValueError(
                "`input_shape` must have 4 entries, (num_frames, height, width, "
                f"channels). Received: input_shape={input_shape!r}"
            )
        return keras.Input(tuple(input_shape), name="clips")
    if not keras.utils.is_keras_tensor(input_tensor):
        raise ValueError(
            "`input_tensor` must be a Keras tensor, as `keras.Input()` returns. "
            f"Received: input_tensor={input_tensor!r}"
        )
    return input_tensor


def _check_clip_shape(shape: tuple[int | None, ...], spec: NetworkSpec) -> None:
    """Checks the batched shape of the clips against what the strides leave."""
    if len(shape) != 5:
        raise ValueError(
            "Clips must have the shape (batch, num_frames, height, width, channels). "
            f"Received: shape={shape}"
        )
    positions = list(shape[1:])
    channels = positions.pop(0 if channel_axis() == 1 else -1)
    if channels is None or channels < 1:
        raise ValueError(
            "The number of channels of the clips must be known. "
            f"Received: shape={shape}"
        )
    minimum = (2 * spec.stem.strides[0] * spec.stem.pool_strides[0], 32, 32)
    for axis, size, least in zip(
        ("num_frames", "height", "width"), positions, minimum, strict=True
    ):
        if size is not None and size < least:
            raise ValueError(
                f"`{axis}` must be at least {least} for this network. "
                f"Received: {axis}={size} in the clip shape {shape}"
            )


def _classifier_dtype() -> str | None:
    """float32 under a mixed policy, so that the scores add up to 1."""
    policy = keras.config.dtype_policy()
    return policy.variable_dtype if policy.name.startswith("mixed") else None


def _default_name(spec: NetworkSpec) -> str:
    blocks = sum(
        block.nonlocal_name is not None
        for stage in spec.stages
        for block in stage.blocks
    )
    prefix = f"nl{blocks}_" if blocks else ""
    return f"{prefix}resnet{spec.depth}_{spec.variant}"
