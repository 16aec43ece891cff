"""I3D networks for clips without non-local blocks.

`scripts/write_builders.py` writes this file; change the template instead.
"""

from typing import Any

import keras

from keras_nonlocal.architectures import StemPoolPadding
from keras_nonlocal.layers.block_arguments import Normalization
from keras_nonlocal.models.settings import Activation, Pooling, Weights
from keras_nonlocal.models.video import NLResNet
from keras_nonlocal.tensors import Tensor


def ResNet50I3D(
    include_top: bool = True,
    weights: Weights = None,
    input_tensor: Tensor | None = None,
    input_shape: tuple[int | None, ...] | None = None,
    pooling: Pooling | None = None,
    classes: int = 400,
    classifier_activation: Activation = "softmax",
    name: str | None = None,
    *,
    stem_temporal_strides: tuple[int, int] = (1, 1),
    stem_pool_padding: StemPoolPadding | None = None,
    stride_in_1x1: bool | None = None,
    temporal_pool: bool = True,
    width: int = 64,
    dropout_rate: float = 0.5,
    kernel_regularizer: Any = None,
    normalization: Normalization = "batch",
    score_window: tuple[int | None, int | None, int | None] | None = None,
    include_preprocessing: bool = False,
) -> keras.Model:
    """Instantiates the I3D ResNet-50 for clips.

    I3D inflates conv1 to 5×7×7, and every second bottleneck starts with a 3×1×1
    convolution. The first arguments are those of `keras.applications`, in the same
    order. All others are keyword-only. The defaults build the released network for 8
    frames. The model takes clips as returned by `keras_nonlocal.preprocess_input`, or
    pixels from 0 to 255 with `include_preprocessing=True`.

    Args:
        include_top: Whether the model ends with the classifier. Defaults to `True`.
        weights: `None` (random initialization), `"imagenet"` (the weights of
            `keras.applications`, inflated), `"kinetics400"` (the checkpoint released
            for this network), a name in `keras_nonlocal.weights.PRESETS`, or the path
            of a file that `keras_nonlocal.weights.load_checkpoint` reads. If `classes`
            differs from the number of classes of named weights, the classifier is
            initialized randomly. Defaults to `None`.
        input_tensor: Keras tensor to use as the clips. Defaults to a new input.
        input_shape: `(num_frames, height, width, channels)`, or with the channels first
            if that is Keras's image data format. Every size except the number of
            channels may be `None`. Defaults to frames of 224×224 pixels in RGB. Their
            number is that of named weights, or else 8 times the temporal strides of the
            stem. With `include_top=False`, it defaults to RGB clips of any size.
        pooling: Pooling over all positions of the last feature map if `include_top` is
            `False`: `"avg"`, `"max"` or `None` for the feature map itself. Defaults to
            `None`.
        classes: Number of classes. Defaults to `400`.
        classifier_activation: Activation of the classifier; `None` returns logits.
            Defaults to `"softmax"`.
        name: Name of the model. Defaults to a name derived from the architecture.
        stem_temporal_strides: Temporal strides of conv1 and pool1: `(1, 1)` for the
            network for 8 frames and `(2, 2)` for the paper's network for 32 frames.
            Defaults to `(1, 1)`.
        stem_pool_padding: `"same"` pads pool1 by 1. `"valid"` does not pad it, as in
            the released Caffe2 networks. Defaults to the padding that named weights
            need, or else to `"same"`.
        stride_in_1x1: Whether a downsampling bottleneck has its stride in the first 1×1
            convolution, as in `keras.applications.ResNet50`, instead of the 3×3
            convolution. Defaults to the value that named weights need, or else to
            `False`.
        temporal_pool: Whether a 2×1×1 max pooling halves the number of frames after
            res2. PySlowFast's C2D without non-local blocks has none. Defaults to
            `True`.
        width: Number of channels of conv1, to which all other widths are proportional.
            Defaults to `64`.
        dropout_rate: Fraction of the features to drop before the classifier in
            training. Defaults to `0.5`.
        kernel_regularizer: Regularizer of the kernels of all convolutions and of the
            classifier. Defaults to `None`.
        normalization: Layer after each convolution: `"batch"`, `"frozen_batch"`
            (`keras_nonlocal.layers.FrozenBatchNormalization`, for fine-tuning with
            small batches) or `"synchronized_batch"` (statistics over all replicas of a
            `tf.distribute` strategy; TensorFlow only, and without XLA on several
            replicas). Defaults to `"batch"`.
        score_window: Window `(frames, height, width)`, in positions of the last feature
            map, from which each score is computed, for clips that are longer or larger
            than those in training. `None` in the window stands for a whole axis. The
            probabilities at all places of the window are averaged. `(4, 7, 7)` is
            suitable for networks trained on 8 frames of 224×224 pixels. Defaults to
            `None`, one score from all positions.
        include_preprocessing: Whether the model starts with the normalization that its
            weights need. It then takes RGB pixels from 0 to 255, also after saving and
            exporting. Defaults to `False`.

    Returns:
        A functional `keras.Model` that takes clips
        `(batch, num_frames, height, width, channels)` and returns scores
        `(batch, classes)`. With `include_top=False`, it returns features
        `(batch, frames, height / 32, width / 32, 32 * width)`, or `(batch, 32 * width)`
        with `pooling`. Its attribute `clip_info` describes the training clips of named
        weights.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument has an invalid value, or the weights are for a
            different network.

    Example:

    >>> model = keras_nonlocal.ResNet50I3D(
    ...     input_shape=(8, 64, 64, 3), classes=5, width=8)
    >>> model.output_shape
    (None, 5)

    References:
        - [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), Table 1 and
          sections 4 and 5.1; section 5.1 also describes scores of several windows.
        - `lib/models/resnet_video.py` (8 frames) and `lib/models/resnet_video_org.py`
          (32 frames) of https://github.com/facebookresearch/video-nonlocal-net.
    """
    return NLResNet(
        50,
        "i3d",
        include_top,
        weights,
        input_tensor,
        input_shape,
        pooling,
        classes,
        classifier_activation,
        name,
        nonlocal_blocks=0,
        stem_temporal_strides=stem_temporal_strides,
        stem_pool_padding=stem_pool_padding,
        stride_in_1x1=stride_in_1x1,
        temporal_pool=temporal_pool,
        width=width,
        dropout_rate=dropout_rate,
        kernel_regularizer=kernel_regularizer,
        normalization=normalization,
        score_window=score_window,
        include_preprocessing=include_preprocessing,
    )


def ResNet101I3D(
    include_top: bool = True,
    weights: Weights = None,
    input_tensor: Tensor | None = None,
    input_shape: tuple[int | None, ...] | None = None,
    pooling: Pooling | None = None,
    classes: int = 400,
    classifier_activation: Activation = "softmax",
    name: str | None = None,
    *,
    stem_temporal_strides: tuple[int, int] = (1, 1),
    stem_pool_padding: StemPoolPadding | None = None,
    stride_in_1x1: bool | None = None,
    temporal_pool: bool = True,
    width: int = 64,
    dropout_rate: float = 0.5,
    kernel_regularizer: Any = None,
    normalization: Normalization = "batch",
    score_window: tuple[int | None, int | None, int | None] | None = None,
    include_preprocessing: bool = False,
) -> keras.Model:
    """Instantiates the I3D ResNet-101 for clips.

    I3D inflates conv1 to 5×7×7, and every second bottleneck starts with a 3×1×1
    convolution. The first arguments are those of `keras.applications`, in the same
    order. All others are keyword-only. The defaults build the released network for 8
    frames. The model takes clips as returned by `keras_nonlocal.preprocess_input`, or
    pixels from 0 to 255 with `include_preprocessing=True`.

    Args:
        include_top: Whether the model ends with the classifier. Defaults to `True`.
        weights: `None` (random initialization), `"imagenet"` (the weights of
            `keras.applications`, inflated), `"kinetics400"` (the checkpoint released
            for this network), a name in `keras_nonlocal.weights.PRESETS`, or the path
            of a file that `keras_nonlocal.weights.load_checkpoint` reads. If `classes`
            differs from the number of classes of named weights, the classifier is
            initialized randomly. Defaults to `None`.
        input_tensor: Keras tensor to use as the clips. Defaults to a new input.
        input_shape: `(num_frames, height, width, channels)`, or with the channels first
            if that is Keras's image data format. Every size except the number of
            channels may be `None`. Defaults to frames of 224×224 pixels in RGB. Their
            number is that of named weights, or else 8 times the temporal strides of the
            stem. With `include_top=False`, it defaults to RGB clips of any size.
        pooling: Pooling over all positions of the last feature map if `include_top` is
            `False`: `"avg"`, `"max"` or `None` for the feature map itself. Defaults to
            `None`.
        classes: Number of classes. Defaults to `400`.
        classifier_activation: Activation of the classifier; `None` returns logits.
            Defaults to `"softmax"`.
        name: Name of the model. Defaults to a name derived from the architecture.
        stem_temporal_strides: Temporal strides of conv1 and pool1: `(1, 1)` for the
            network for 8 frames and `(2, 2)` for the paper's network for 32 frames.
            Defaults to `(1, 1)`.
        stem_pool_padding: `"same"` pads pool1 by 1. `"valid"` does not pad it, as in
            the released Caffe2 networks. Defaults to the padding that named weights
            need, or else to `"same"`.
        stride_in_1x1: Whether a downsampling bottleneck has its stride in the first 1×1
            convolution, as in `keras.applications.ResNet50`, instead of the 3×3
            convolution. Defaults to the value that named weights need, or else to
            `False`.
        temporal_pool: Whether a 2×1×1 max pooling halves the number of frames after
            res2. PySlowFast's C2D without non-local blocks has none. Defaults to
            `True`.
        width: Number of channels of conv1, to which all other widths are proportional.
            Defaults to `64`.
        dropout_rate: Fraction of the features to drop before the classifier in
            training. Defaults to `0.5`.
        kernel_regularizer: Regularizer of the kernels of all convolutions and of the
            classifier. Defaults to `None`.
        normalization: Layer after each convolution: `"batch"`, `"frozen_batch"`
            (`keras_nonlocal.layers.FrozenBatchNormalization`, for fine-tuning with
            small batches) or `"synchronized_batch"` (statistics over all replicas of a
            `tf.distribute` strategy; TensorFlow only, and without XLA on several
            replicas). Defaults to `"batch"`.
        score_window: Window `(frames, height, width)`, in positions of the last feature
            map, from which each score is computed, for clips that are longer or larger
            than those in training. `None` in the window stands for a whole axis. The
            probabilities at all places of the window are averaged. `(4, 7, 7)` is
            suitable for networks trained on 8 frames of 224×224 pixels. Defaults to
            `None`, one score from all positions.
        include_preprocessing: Whether the model starts with the normalization that its
            weights need. It then takes RGB pixels from 0 to 255, also after saving and
            exporting. Defaults to `False`.

    Returns:
        A functional `keras.Model` that takes clips
        `(batch, num_frames, height, width, channels)` and returns scores
        `(batch, classes)`. With `include_top=False`, it returns features
        `(batch, frames, height / 32, width / 32, 32 * width)`, or `(batch, 32 * width)`
        with `pooling`. Its attribute `clip_info` describes the training clips of named
        weights.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument has an invalid value, or the weights are for a
            different network.

    Example:

    >>> model = keras_nonlocal.ResNet101I3D(  # doctest: +SKIP
    ...     input_shape=(8, 64, 64, 3), classes=5, width=8)
    >>> model.output_shape  # doctest: +SKIP
    (None, 5)

    References:
        - [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), Table 1 and
          sections 4 and 5.1; section 5.1 also describes scores of several windows.
        - `lib/models/resnet_video.py` (8 frames) and `lib/models/resnet_video_org.py`
          (32 frames) of https://github.com/facebookresearch/video-nonlocal-net.
    """
    return NLResNet(
        101,
        "i3d",
        include_top,
        weights,
        input_tensor,
        input_shape,
        pooling,
        classes,
        classifier_activation,
        name,
        nonlocal_blocks=0,
        stem_temporal_strides=stem_temporal_strides,
        stem_pool_padding=stem_pool_padding,
        stride_in_1x1=stride_in_1x1,
        temporal_pool=temporal_pool,
        width=width,
        dropout_rate=dropout_rate,
        kernel_regularizer=kernel_regularizer,
        normalization=normalization,
        score_window=score_window,
        include_preprocessing=include_preprocessing,
    )


def ResNet152I3D(
    include_top: bool = True,
    weights: Weights = None,
    input_tensor: Tensor | None = None,
    input_shape: tuple[int | None, ...] | None = None,
    pooling: Pooling | None = None,
    classes: int = 400,
    classifier_activation: Activation = "softmax",
    name: str | None = None,
    *,
    stem_temporal_strides: tuple[int, int] = (1, 1),
    stem_pool_padding: StemPoolPadding | None = None,
    stride_in_1x1: bool | None = None,
    temporal_pool: bool = True,
    width: int = 64,
    dropout_rate: float = 0.5,
    kernel_regularizer: Any = None,
    normalization: Normalization = "batch",
    score_window: tuple[int | None, int | None, int | None] | None = None,
    include_preprocessing: bool = False,
) -> keras.Model:
    """Instantiates the I3D ResNet-152 for clips.

    I3D inflates conv1 to 5×7×7, and every second bottleneck starts with a 3×1×1
    convolution. The first arguments are those of `keras.applications`, in the same
    order. All others are keyword-only. The defaults build the released network for 8
    frames. The model takes clips as returned by `keras_nonlocal.preprocess_input`, or
    pixels from 0 to 255 with `include_preprocessing=True`.

    Args:
        include_top: Whether the model ends with the classifier. Defaults to `True`.
        weights: `None` (random initialization), `"imagenet"` (the weights of
            `keras.applications`, inflated), `"kinetics400"` (the checkpoint released
            for this network), a name in `keras_nonlocal.weights.PRESETS`, or the path
            of a file that `keras_nonlocal.weights.load_checkpoint` reads. If `classes`
            differs from the number of classes of named weights, the classifier is
            initialized randomly. Defaults to `None`.
        input_tensor: Keras tensor to use as the clips. Defaults to a new input.
        input_shape: `(num_frames, height, width, channels)`, or with the channels first
            if that is Keras's image data format. Every size except the number of
            channels may be `None`. Defaults to frames of 224×224 pixels in RGB. Their
            number is that of named weights, or else 8 times the temporal strides of the
            stem. With `include_top=False`, it defaults to RGB clips of any size.
        pooling: Pooling over all positions of the last feature map if `include_top` is
            `False`: `"avg"`, `"max"` or `None` for the feature map itself. Defaults to
            `None`.
        classes: Number of classes. Defaults to `400`.
        classifier_activation: Activation of the classifier; `None` returns logits.
            Defaults to `"softmax"`.
        name: Name of the model. Defaults to a name derived from the architecture.
        stem_temporal_strides: Temporal strides of conv1 and pool1: `(1, 1)` for the
            network for 8 frames and `(2, 2)` for the paper's network for 32 frames.
            Defaults to `(1, 1)`.
        stem_pool_padding: `"same"` pads pool1 by 1. `"valid"` does not pad it, as in
            the released Caffe2 networks. Defaults to the padding that named weights
            need, or else to `"same"`.
        stride_in_1x1: Whether a downsampling bottleneck has its stride in the first 1×1
            convolution, as in `keras.applications.ResNet50`, instead of the 3×3
            convolution. Defaults to the value that named weights need, or else to
            `False`.
        temporal_pool: Whether a 2×1×1 max pooling halves the number of frames after
            res2. PySlowFast's C2D without non-local blocks has none. Defaults to
            `True`.
        width: Number of channels of conv1, to which all other widths are proportional.
            Defaults to `64`.
        dropout_rate: Fraction of the features to drop before the classifier in
            training. Defaults to `0.5`.
        kernel_regularizer: Regularizer of the kernels of all convolutions and of the
            classifier. Defaults to `None`.
        normalization: Layer after each convolution: `"batch"`, `"frozen_batch"`
            (`keras_nonlocal.layers.FrozenBatchNormalization`, for fine-tuning with
            small batches) or `"synchronized_batch"` (statistics over all replicas of a
            `tf.distribute` strategy; TensorFlow only, and without XLA on several
            replicas). Defaults to `"batch"`.
        score_window: Window `(frames, height, width)`, in positions of the last feature
            map, from which each score is computed, for clips that are longer or larger
            than those in training. `None` in the window stands for a whole axis. The
            probabilities at all places of the window are averaged. `(4, 7, 7)` is
            suitable for networks trained on 8 frames of 224×224 pixels. Defaults to
            `None`, one score from all positions.
        include_preprocessing: Whether the model starts with the normalization that its
            weights need. It then takes RGB pixels from 0 to 255, also after saving and
            exporting. Defaults to `False`.

    Returns:
        A functional `keras.Model` that takes clips
        `(batch, num_frames, height, width, channels)` and returns scores
        `(batch, classes)`. With `include_top=False`, it returns features
        `(batch, frames, height / 32, width / 32, 32 * width)`, or `(batch, 32 * width)`
        with `pooling`. Its attribute `clip_info` describes the training clips of named
        weights.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument has an invalid value, or the weights are for a
            different network.

    Example:

    >>> model = keras_nonlocal.ResNet152I3D(  # doctest: +SKIP
    ...     input_shape=(8, 64, 64, 3), classes=5, width=8)
    >>> model.output_shape  # doctest: +SKIP
    (None, 5)

    References:
        - [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), Table 1 and
          sections 4 and 5.1; section 5.1 also describes scores of several windows.
        - `lib/models/resnet_video.py` (8 frames) and `lib/models/resnet_video_org.py`
          (32 frames) of https://github.com/facebookresearch/video-nonlocal-net.
    """
    return NLResNet(
        152,
        "i3d",
        include_top,
        weights,
        input_tensor,
        input_shape,
        pooling,
        classes,
        classifier_activation,
        name,
        nonlocal_blocks=0,
        stem_temporal_strides=stem_temporal_strides,
        stem_pool_padding=stem_pool_padding,
        stride_in_1x1=stride_in_1x1,
        temporal_pool=temporal_pool,
        width=width,
        dropout_rate=dropout_rate,
        kernel_regularizer=kernel_regularizer,
        normalization=normalization,
        score_window=score_window,
        include_preprocessing=include_preprocessing,
    )
