"""C2D and I3D networks for clips, with and without non-local blocks."""

from collections.abc import Mapping
from typing import Any, TypedDict

import keras

from keras_nonlocal.architectures import VARIANTS, Placement, network_spec
from keras_nonlocal.models.head import Activation, check_head
from keras_nonlocal.models.network import build_network
from keras_nonlocal.models.pretrained import Weights, resolve_weights, settle


class NetworkOptions(TypedDict, total=False):
    """The keyword-only arguments of `NLResNet`, as the named builders take them."""

    nonlocal_blocks: int | Placement
    nonlocal_mode: str
    nonlocal_scope: str
    nonlocal_pool_size: int | tuple[int, int, int] | None
    nonlocal_temporal_group_size: int | Mapping[str, int] | None
    stem_temporal_strides: tuple[int, int]
    stem_pool_padding: str | None
    stride_in_1x1: bool | None
    temporal_pool: bool
    width: int
    dropout_rate: float
    kernel_regularizer: Any
    normalization: str
    score_window: tuple[int | None, int | None, int | None] | None
    include_preprocessing: bool


def NLResNet(
    depth: int,
    variant: str,
    include_top: bool = True,
    weights: Weights = None,
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
    stem_pool_padding: str | None = None,
    stride_in_1x1: bool | None = None,
    temporal_pool: bool = True,
    width: int = 64,
    dropout_rate: float = 0.5,
    kernel_regularizer: Any = None,
    normalization: str = "batch",
    score_window: tuple[int | None, int | None, int | None] | None = None,
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
        weights: `None` (random initialisation), `"imagenet"` (the weights of
            `keras.applications`, inflated), `"kinetics400"` (the checkpoint released
            for this network), a name in `keras_nonlocal.weights.PRESETS`, or the path
            of a file that `keras_nonlocal.weights.load_checkpoint` reads. With another
            number of classes than the named weights have, the classifier keeps its
            random initialisation. Defaults to `None`.
        input_tensor: Optional Keras tensor to use as the clips.
        input_shape: `(num_frames, height, width, channels)`, channels first if that is
            Keras's image data format. Every size except the channels may be `None`.
            Defaults to 8 frames (times the stem's temporal strides; or as many as
            named weights were trained with) of 224×224 pixels in RGB, and to RGB of
            any size if `include_top` is `False`.
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
            released Caffe2 networks. Defaults to what named weights need, else
            `"same"`.
        stride_in_1x1: Whether a down-sampling bottleneck strides in its first 1×1
            convolution, as in `keras.applications.ResNet50`. Defaults to what named
            weights need, else `False`.
        temporal_pool: Whether a max pooling 2×1×1 halves the number of frames after
            res2. PySlowFast's C2D without non-local blocks was released without it.
            Defaults to `True`.
        width: Channels of conv1. Defaults to `64`.
        dropout_rate: Share of the features dropped before the classifier in training.
        kernel_regularizer: For the kernels of all convolutions and the classifier.
        normalization: What follows the convolutions and W_z of the blocks: `"batch"`,
            `"frozen_batch"` (`keras_nonlocal.layers.FrozenBatchNormalization`, for
            fine-tuning with small batches) or `"synchronized_batch"` (statistics over
            all replicas of a `tf.distribute` strategy; TensorFlow only, and on several
            replicas without XLA). Defaults to `"batch"`.
        score_window: For clips larger or longer than those of the training: extent
            `(frames, height, width)`, in positions of the last feature map, of what
            one score sees; `None` is the whole axis. The scores of all places of this
            window are averaged after the activation. `(4, 7, 7)` for networks trained
            on 8 frames of 224×224. Defaults to one score that sees everything.
        include_preprocessing: Whether the model begins with the normalisation that
            its weights need, so that it takes RGB pixels from 0 to 255, and a saved
            or exported model does too. Defaults to `False`.

    Returns:
        A functional `keras.Model` from clips
        `(batch, num_frames, height, width, channels)` to `(batch, classes)`, or to
        features `(batch, frames, height, width, 32 * width)` without the top, or to
        `(batch, 32 * width)` with `pooling`.

    Raises:
        ValueError: If an argument has a value it cannot have, or the weights are not
            of this network.

    Example:

    >>> model = keras_nonlocal.NLResNet(
    ...     50, "i3d", input_shape=(8, 64, 64, 3), classes=5, width=8)
    >>> model.output_shape
    (None, 5)

    References:
        - [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), Table 1 and
          sections 4, 5.1.
        - Section 5.1 for the fully convolutional test with a score map.
        - `lib/models/resnet_video.py` (8 frames) and `lib/models/resnet_video_org.py`
          (32 frames) of https://github.com/facebookresearch/video-nonlocal-net.
    """
    video_variants = tuple(key for key, row in VARIANTS.items() if row.rank == 3)
    if variant not in video_variants:
        raise ValueError(
            f"`variant` must be one of {video_variants}. Received: variant={variant!r}"
        )
    check_head(include_top, pooling, classes, dropout_rate, score_window, rank=3)
    pretrained = resolve_weights(
        weights,
        classes=classes,
        depth=depth,
        variant=variant,
        nonlocal_blocks=nonlocal_blocks,
        stem_temporal_strides=stem_temporal_strides,
        temporal_pool=temporal_pool,
    )
    spec = network_spec(
        depth,
        variant,
        nonlocal_blocks=nonlocal_blocks,
        width=width,
        stem_temporal_strides=stem_temporal_strides,
        stem_pool_padding=settle(
            pretrained, "stem_pool_padding", stem_pool_padding, "same"
        ),
        stride_in_1x1=settle(pretrained, "stride_in_1x1", stride_in_1x1, False),
        temporal_pool=temporal_pool,
    )
    model = build_network(
        spec,
        include_top=include_top,
        input_tensor=input_tensor,
        input_shape=input_shape,
        num_frames=pretrained.num_frames,
        pooling=pooling,
        classes=classes,
        classifier_activation=classifier_activation,
        name=name,
        nonlocal_options={
            "mode": settle(pretrained, "nonlocal_mode", nonlocal_mode, None),
            "scope": nonlocal_scope,
            "pool_size": nonlocal_pool_size,
        },
        temporal_group_size=settle(
            pretrained,
            "nonlocal_temporal_group_size",
            nonlocal_temporal_group_size,
            None,
        ),
        dropout_rate=dropout_rate,
        kernel_regularizer=kernel_regularizer,
        score_window=score_window,
        normalization=normalization,
        pixel_normalization=(
            pretrained.normalization if include_preprocessing else None
        ),
    )
    pretrained.load(model)
    return model
