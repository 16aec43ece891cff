"""Networks for images with non-local blocks.

`scripts/write_builders.py` writes this file; change the template instead.
"""

from typing import Any

import keras

from keras_nonlocal.architectures import Placement
from keras_nonlocal.layers import NonLocalOptions
from keras_nonlocal.layers.block_arguments import Mode, Normalization
from keras_nonlocal.models.image import image_network
from keras_nonlocal.models.settings import Activation, Pooling, Weights
from keras_nonlocal.tensors import Tensor


def NLResNet50(
    include_top: bool = True,
    weights: Weights = None,
    input_tensor: Tensor | None = None,
    input_shape: tuple[int | None, ...] | None = None,
    pooling: Pooling | None = None,
    classes: int = 1000,
    classifier_activation: Activation = "softmax",
    name: str | None = None,
    *,
    nonlocal_blocks: int | Placement = 1,
    nonlocal_mode: Mode = "embedded_gaussian",
    nonlocal_pool_size: int | tuple[int, int] | None = 2,
    nonlocal_options: NonLocalOptions | None = None,
    stride_in_1x1: bool | None = None,
    width: int = 64,
    dropout_rate: float = 0.0,
    kernel_regularizer: Any = None,
    normalization: Normalization = "batch",
    include_preprocessing: bool = False,
) -> keras.Model:
    """Instantiates the ResNet-50 for images with non-local blocks.

    The first arguments are those of `keras.applications`, in the same order. All others
    are keyword-only. With `nonlocal_blocks=0` and `stride_in_1x1=True`, the network
    equals that of `keras.applications`.

    Args:
        include_top: Whether the model ends with the classifier. Defaults to `True`.
        weights: `None` (random initialization), `"imagenet"` (the weights of
            `keras.applications`; the non-local blocks start as the identity) or the
            path of a file that `keras_nonlocal.weights.load_checkpoint` reads. Defaults
            to `None`.
        input_tensor: Keras tensor to use as the images. Defaults to a new input.
        input_shape: `(height, width, channels)`, or with the channels first if that is
            Keras's image data format. Height and width may be `None`. Defaults to
            224×224 pixels in RGB, and to RGB images of any size with
            `include_top=False`.
        pooling: Pooling over all positions of the last feature map if `include_top` is
            `False`: `"avg"`, `"max"` or `None` for the feature map itself. Defaults to
            `None`.
        classes: Number of classes. Defaults to `1000`.
        classifier_activation: Activation of the classifier; `None` returns logits.
            Defaults to `"softmax"`.
        name: Name of the model. Defaults to a name derived from the architecture.
        nonlocal_blocks: Number of non-local blocks, 0, 1, 5 or 10; or a mapping from
            stage, `"res2"` … `"res5"`, to the indices (from 0) of the residual blocks
            to insert a non-local block after. Defaults to `1`, before the last block of
            res4 (the paper's section 6).
        nonlocal_mode: Pairwise function of the blocks: `"gaussian"`,
            `"embedded_gaussian"`, `"dot_product"` or `"concatenation"`. Defaults to
            `"embedded_gaussian"`.
        nonlocal_pool_size: Size of a max pooling before φ and g, in rows and columns,
            or `None` for no pooling. Defaults to `2`.
        nonlocal_options: Additional arguments of `keras_nonlocal.layers.NonLocalBlock`
            for all blocks, as a mapping with the keys of
            `keras_nonlocal.layers.NonLocalOptions`, such as
            `{"scale": False, "kernel_initializer": "he_normal"}`. Defaults to the
            defaults of the layer with the `normalization` and the `kernel_regularizer`
            of this network.
        stride_in_1x1: Whether a downsampling bottleneck has its stride in the first 1×1
            convolution, as in `keras.applications`, instead of the 3×3 convolution.
            Defaults to `True` for `weights="imagenet"`, or else to `False`.
        width: Number of channels of conv1, to which all other widths are proportional.
            Defaults to `64`.
        dropout_rate: Fraction of the features to drop before the classifier in
            training. Defaults to `0.0`.
        kernel_regularizer: Regularizer of the kernels of all convolutions, of the
            non-local blocks and of the classifier. Defaults to `None`.
        normalization: Layer after each convolution and after W_z of each block:
            `"batch"`, `"frozen_batch"`
            (`keras_nonlocal.layers.FrozenBatchNormalization`, for fine-tuning with
            small batches) or `"synchronized_batch"` (statistics over all replicas of a
            `tf.distribute` strategy; TensorFlow only, and without XLA on several
            replicas). Defaults to `"batch"`.
        include_preprocessing: Whether the model starts with the normalization that its
            weights need. It then takes RGB pixels from 0 to 255, also after saving and
            exporting. Defaults to `False`.

    Returns:
        A functional `keras.Model` that takes images `(batch, height, width, channels)`
        and returns scores `(batch, classes)`. With `include_top=False`, it returns
        features `(batch, height / 32, width / 32, 32 * width)`, or
        `(batch, 32 * width)` with `pooling`. Its attribute `pyramid_outputs` maps
        `"P2"` … `"P5"` to the outputs of res2 … res5.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument has an invalid value, or the weights are for a
            different network.

    Example:

    >>> backbone = keras_nonlocal.NLResNet50(
    ...     include_top=False, width=8)
    >>> pyramid = keras.Model(
    ...     backbone.input, backbone.pyramid_outputs)
    >>> pyramid(np.zeros((1, 64, 64, 3)))['P4'].shape[1] == 4
    True

    References:
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 6.
    """
    return image_network(
        50,
        include_top,
        weights,
        input_tensor,
        input_shape,
        pooling,
        classes,
        classifier_activation,
        name,
        nonlocal_blocks=nonlocal_blocks,
        nonlocal_mode=nonlocal_mode,
        nonlocal_pool_size=nonlocal_pool_size,
        nonlocal_options=nonlocal_options,
        stride_in_1x1=stride_in_1x1,
        width=width,
        dropout_rate=dropout_rate,
        kernel_regularizer=kernel_regularizer,
        normalization=normalization,
        include_preprocessing=include_preprocessing,
    )


def NLResNet101(
    include_top: bool = True,
    weights: Weights = None,
    input_tensor: Tensor | None = None,
    input_shape: tuple[int | None, ...] | None = None,
    pooling: Pooling | None = None,
    classes: int = 1000,
    classifier_activation: Activation = "softmax",
    name: str | None = None,
    *,
    nonlocal_blocks: int | Placement = 1,
    nonlocal_mode: Mode = "embedded_gaussian",
    nonlocal_pool_size: int | tuple[int, int] | None = 2,
    nonlocal_options: NonLocalOptions | None = None,
    stride_in_1x1: bool | None = None,
    width: int = 64,
    dropout_rate: float = 0.0,
    kernel_regularizer: Any = None,
    normalization: Normalization = "batch",
    include_preprocessing: bool = False,
) -> keras.Model:
    """Instantiates the ResNet-101 for images with non-local blocks.

    The first arguments are those of `keras.applications`, in the same order. All others
    are keyword-only. With `nonlocal_blocks=0` and `stride_in_1x1=True`, the network
    equals that of `keras.applications`.

    Args:
        include_top: Whether the model ends with the classifier. Defaults to `True`.
        weights: `None` (random initialization), `"imagenet"` (the weights of
            `keras.applications`; the non-local blocks start as the identity) or the
            path of a file that `keras_nonlocal.weights.load_checkpoint` reads. Defaults
            to `None`.
        input_tensor: Keras tensor to use as the images. Defaults to a new input.
        input_shape: `(height, width, channels)`, or with the channels first if that is
            Keras's image data format. Height and width may be `None`. Defaults to
            224×224 pixels in RGB, and to RGB images of any size with
            `include_top=False`.
        pooling: Pooling over all positions of the last feature map if `include_top` is
            `False`: `"avg"`, `"max"` or `None` for the feature map itself. Defaults to
            `None`.
        classes: Number of classes. Defaults to `1000`.
        classifier_activation: Activation of the classifier; `None` returns logits.
            Defaults to `"softmax"`.
        name: Name of the model. Defaults to a name derived from the architecture.
        nonlocal_blocks: Number of non-local blocks, 0, 1, 5 or 10; or a mapping from
            stage, `"res2"` … `"res5"`, to the indices (from 0) of the residual blocks
            to insert a non-local block after. Defaults to `1`, before the last block of
            res4 (the paper's section 6).
        nonlocal_mode: Pairwise function of the blocks: `"gaussian"`,
            `"embedded_gaussian"`, `"dot_product"` or `"concatenation"`. Defaults to
            `"embedded_gaussian"`.
        nonlocal_pool_size: Size of a max pooling before φ and g, in rows and columns,
            or `None` for no pooling. Defaults to `2`.
        nonlocal_options: Additional arguments of `keras_nonlocal.layers.NonLocalBlock`
            for all blocks, as a mapping with the keys of
            `keras_nonlocal.layers.NonLocalOptions`, such as
            `{"scale": False, "kernel_initializer": "he_normal"}`. Defaults to the
            defaults of the layer with the `normalization` and the `kernel_regularizer`
            of this network.
        stride_in_1x1: Whether a downsampling bottleneck has its stride in the first 1×1
            convolution, as in `keras.applications`, instead of the 3×3 convolution.
            Defaults to `True` for `weights="imagenet"`, or else to `False`.
        width: Number of channels of conv1, to which all other widths are proportional.
            Defaults to `64`.
        dropout_rate: Fraction of the features to drop before the classifier in
            training. Defaults to `0.0`.
        kernel_regularizer: Regularizer of the kernels of all convolutions, of the
            non-local blocks and of the classifier. Defaults to `None`.
        normalization: Layer after each convolution and after W_z of each block:
            `"batch"`, `"frozen_batch"`
            (`keras_nonlocal.layers.FrozenBatchNormalization`, for fine-tuning with
            small batches) or `"synchronized_batch"` (statistics over all replicas of a
            `tf.distribute` strategy; TensorFlow only, and without XLA on several
            replicas). Defaults to `"batch"`.
        include_preprocessing: Whether the model starts with the normalization that its
            weights need. It then takes RGB pixels from 0 to 255, also after saving and
            exporting. Defaults to `False`.

    Returns:
        A functional `keras.Model` that takes images `(batch, height, width, channels)`
        and returns scores `(batch, classes)`. With `include_top=False`, it returns
        features `(batch, height / 32, width / 32, 32 * width)`, or
        `(batch, 32 * width)` with `pooling`. Its attribute `pyramid_outputs` maps
        `"P2"` … `"P5"` to the outputs of res2 … res5.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument has an invalid value, or the weights are for a
            different network.

    Example:

    >>> backbone = keras_nonlocal.NLResNet101(  # doctest: +SKIP
    ...     include_top=False, width=8)
    >>> pyramid = keras.Model(  # doctest: +SKIP
    ...     backbone.input, backbone.pyramid_outputs)
    >>> pyramid(np.zeros((1, 64, 64, 3)))['P4'].shape[1] == 4  # doctest: +SKIP
    True

    References:
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 6.
    """
    return image_network(
        101,
        include_top,
        weights,
        input_tensor,
        input_shape,
        pooling,
        classes,
        classifier_activation,
        name,
        nonlocal_blocks=nonlocal_blocks,
        nonlocal_mode=nonlocal_mode,
        nonlocal_pool_size=nonlocal_pool_size,
        nonlocal_options=nonlocal_options,
        stride_in_1x1=stride_in_1x1,
        width=width,
        dropout_rate=dropout_rate,
        kernel_regularizer=kernel_regularizer,
        normalization=normalization,
        include_preprocessing=include_preprocessing,
    )


def NLResNet152(
    include_top: bool = True,
    weights: Weights = None,
    input_tensor: Tensor | None = None,
    input_shape: tuple[int | None, ...] | None = None,
    pooling: Pooling | None = None,
    classes: int = 1000,
    classifier_activation: Activation = "softmax",
    name: str | None = None,
    *,
    nonlocal_blocks: int | Placement = 1,
    nonlocal_mode: Mode = "embedded_gaussian",
    nonlocal_pool_size: int | tuple[int, int] | None = 2,
    nonlocal_options: NonLocalOptions | None = None,
    stride_in_1x1: bool | None = None,
    width: int = 64,
    dropout_rate: float = 0.0,
    kernel_regularizer: Any = None,
    normalization: Normalization = "batch",
    include_preprocessing: bool = False,
) -> keras.Model:
    """Instantiates the ResNet-152 for images with non-local blocks.

    The first arguments are those of `keras.applications`, in the same order. All others
    are keyword-only. With `nonlocal_blocks=0` and `stride_in_1x1=True`, the network
    equals that of `keras.applications`.

    Args:
        include_top: Whether the model ends with the classifier. Defaults to `True`.
        weights: `None` (random initialization), `"imagenet"` (the weights of
            `keras.applications`; the non-local blocks start as the identity) or the
            path of a file that `keras_nonlocal.weights.load_checkpoint` reads. Defaults
            to `None`.
        input_tensor: Keras tensor to use as the images. Defaults to a new input.
        input_shape: `(height, width, channels)`, or with the channels first if that is
            Keras's image data format. Height and width may be `None`. Defaults to
            224×224 pixels in RGB, and to RGB images of any size with
            `include_top=False`.
        pooling: Pooling over all positions of the last feature map if `include_top` is
            `False`: `"avg"`, `"max"` or `None` for the feature map itself. Defaults to
            `None`.
        classes: Number of classes. Defaults to `1000`.
        classifier_activation: Activation of the classifier; `None` returns logits.
            Defaults to `"softmax"`.
        name: Name of the model. Defaults to a name derived from the architecture.
        nonlocal_blocks: Number of non-local blocks, 0, 1, 5 or 10; or a mapping from
            stage, `"res2"` … `"res5"`, to the indices (from 0) of the residual blocks
            to insert a non-local block after. Defaults to `1`, before the last block of
            res4 (the paper's section 6).
        nonlocal_mode: Pairwise function of the blocks: `"gaussian"`,
            `"embedded_gaussian"`, `"dot_product"` or `"concatenation"`. Defaults to
            `"embedded_gaussian"`.
        nonlocal_pool_size: Size of a max pooling before φ and g, in rows and columns,
            or `None` for no pooling. Defaults to `2`.
        nonlocal_options: Additional arguments of `keras_nonlocal.layers.NonLocalBlock`
            for all blocks, as a mapping with the keys of
            `keras_nonlocal.layers.NonLocalOptions`, such as
            `{"scale": False, "kernel_initializer": "he_normal"}`. Defaults to the
            defaults of the layer with the `normalization` and the `kernel_regularizer`
            of this network.
        stride_in_1x1: Whether a downsampling bottleneck has its stride in the first 1×1
            convolution, as in `keras.applications`, instead of the 3×3 convolution.
            Defaults to `True` for `weights="imagenet"`, or else to `False`.
        width: Number of channels of conv1, to which all other widths are proportional.
            Defaults to `64`.
        dropout_rate: Fraction of the features to drop before the classifier in
            training. Defaults to `0.0`.
        kernel_regularizer: Regularizer of the kernels of all convolutions, of the
            non-local blocks and of the classifier. Defaults to `None`.
        normalization: Layer after each convolution and after W_z of each block:
            `"batch"`, `"frozen_batch"`
            (`keras_nonlocal.layers.FrozenBatchNormalization`, for fine-tuning with
            small batches) or `"synchronized_batch"` (statistics over all replicas of a
            `tf.distribute` strategy; TensorFlow only, and without XLA on several
            replicas). Defaults to `"batch"`.
        include_preprocessing: Whether the model starts with the normalization that its
            weights need. It then takes RGB pixels from 0 to 255, also after saving and
            exporting. Defaults to `False`.

    Returns:
        A functional `keras.Model` that takes images `(batch, height, width, channels)`
        and returns scores `(batch, classes)`. With `include_top=False`, it returns
        features `(batch, height / 32, width / 32, 32 * width)`, or
        `(batch, 32 * width)` with `pooling`. Its attribute `pyramid_outputs` maps
        `"P2"` … `"P5"` to the outputs of res2 … res5.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument has an invalid value, or the weights are for a
            different network.

    Example:

    >>> backbone = keras_nonlocal.NLResNet152(  # doctest: +SKIP
    ...     include_top=False, width=8)
    >>> pyramid = keras.Model(  # doctest: +SKIP
    ...     backbone.input, backbone.pyramid_outputs)
    >>> pyramid(np.zeros((1, 64, 64, 3)))['P4'].shape[1] == 4  # doctest: +SKIP
    True

    References:
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 6.
    """
    return image_network(
        152,
        include_top,
        weights,
        input_tensor,
        input_shape,
        pooling,
        classes,
        classifier_activation,
        name,
        nonlocal_blocks=nonlocal_blocks,
        nonlocal_mode=nonlocal_mode,
        nonlocal_pool_size=nonlocal_pool_size,
        nonlocal_options=nonlocal_options,
        stride_in_1x1=stride_in_1x1,
        width=width,
        dropout_rate=dropout_rate,
        kernel_regularizer=kernel_regularizer,
        normalization=normalization,
        include_preprocessing=include_preprocessing,
    )
