"""ResNets for images with non-local blocks, as the paper's detection experiments need.

`pyramid_outputs` of such a network are the inputs of a feature pyramid.
"""

from typing import Any, Protocol, TypedDict, Unpack

import keras

from keras_nonlocal.architectures import STAGES, Placement, network_spec
from keras_nonlocal.models.head import Activation, check_head
from keras_nonlocal.models.network import build_network
from keras_nonlocal.models.pretrained import Weights, resolve_image_weights, settle


class ImageNetworkOptions(TypedDict, total=False):
    """The keyword-only arguments of the image builders."""

    nonlocal_blocks: int | Placement
    nonlocal_mode: str
    nonlocal_pool_size: int | tuple[int, int] | None
    stride_in_1x1: bool | None
    width: int
    dropout_rate: float
    kernel_regularizer: Any
    normalization: str
    include_preprocessing: bool


class ImageBuilder(Protocol):
    """The signature that the image builders share."""

    def __call__(
        self,
        include_top: bool = True,
        weights: Weights = None,
        input_tensor: Any = None,
        input_shape: tuple[int | None, ...] | None = None,
        pooling: str | None = None,
        classes: int = 1000,
        classifier_activation: Activation = "softmax",
        name: str | None = None,
        **options: Unpack[ImageNetworkOptions],
    ) -> keras.Model: ...


_DOCSTRING = """Instantiates ResNet-{depth} for images with non-local blocks.

The arguments are those of `keras.applications.ResNet{depth}`, then keyword-only ones.
With `nonlocal_blocks=0` and `stride_in_1x1=True` the network computes what
`keras.applications.ResNet{depth}` does.

Args:
    include_top: Whether to put the classifier on top.
    weights: `None` (random initialisation), `"imagenet"` (the weights of
        `keras.applications`; the non-local blocks start as the identity) or the path of
        a file that `keras_nonlocal.weights.load_checkpoint` reads. Defaults to `None`.
    input_tensor: Optional Keras tensor to use as the images.
    input_shape: `(height, width, channels)`, channels first if that is Keras's image
        data format; sizes may be `None`. Defaults to 224×224 pixels in RGB, and to
        RGB of any size if `include_top` is `False`.
    pooling: What follows the last convolution when `include_top` is `False`: `None`,
        `"avg"` or `"max"`.
    classes: Number of classes. Defaults to `1000`.
    classifier_activation: Activation of the classifier; `None` for logits.
    name: Name of the model. Defaults to a name made of the arguments.
    nonlocal_blocks: 0, 1, 5, 10, or a mapping from stage to the indices of the
        residual blocks that a non-local block follows, in any of `"res2"` … `"res5"`.
        Defaults to `1`, before the last block of res4 (the paper's section 6).
    nonlocal_mode: `mode` of `keras_nonlocal.layers.NonLocalBlock`.
    nonlocal_pool_size: `pool_size` of `NonLocalBlock`. Defaults to `2`.
    stride_in_1x1: Whether a down-sampling bottleneck strides in its first 1×1
        convolution, as in `keras.applications`, instead of in its 3×3. Defaults to
        `True` for `weights="imagenet"`, else to `False`.
    width: Channels of conv1. Defaults to `64`.
    dropout_rate: Share of the features dropped before the classifier. Defaults to 0.
    kernel_regularizer: For the kernels of all convolutions and the classifier.
    normalization: What follows the convolutions and W_z of the blocks: `"batch"`,
        `"frozen_batch"` (`keras_nonlocal.layers.FrozenBatchNormalization`, for
        fine-tuning with small batches) or `"synchronized_batch"` (statistics over
        all replicas of a `tf.distribute` strategy; TensorFlow only, and on several
        replicas without XLA). Defaults to `"batch"`.
    include_preprocessing: Whether the model begins with the normalisation that its
        weights need, so that it takes RGB pixels from 0 to 255. Defaults to `False`.

Returns:
    A functional `keras.Model` from images `(batch, height, width, channels)` to
    `(batch, classes)`, or to features `(batch, height / 32, width / 32, 32 * width)`.
    Its attribute `pyramid_outputs` maps `"P2"` … `"P5"` to the outputs of res2 … res5.

Raises:
    ValueError: If an argument has a value it cannot have.

Example:

>>> backbone = keras_nonlocal.NLResNet{depth}(include_top=False, width=8)
>>> pyramid = keras.Model(backbone.input, backbone.pyramid_outputs)
>>> pyramid(np.zeros((1, 64, 64, 3)))["P4"].shape[1:3] == (4, 4)
True

References:
    [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 6.
"""


def pyramid_outputs(model: keras.Model) -> dict[str, Any]:
    """The features that a feature pyramid is built on.

    Args:
        model: A network of this package, for images or clips, as built or as loaded.

    Returns:
        `"P2"` … `"P5"` → Keras tensor: what res2 … res5 put out, before any pooling
        that follows, of `(batch, …, height / 2**level, width / 2**level, channels)`.

    Example:

    >>> backbone = keras_nonlocal.NLResNet50(include_top=False, width=8)
    >>> sorted(keras_nonlocal.models.pyramid_outputs(backbone))
    ['P2', 'P3', 'P4', 'P5']

    References:
        The names are those of KerasHub's `FeaturePyramidBackbone`.
    """
    outputs: dict[str, Any] = {}
    for layer in model.layers:
        stage, _, part = layer.name.partition("_block")
        if part.endswith(("_out", "_nl")):
            # Layers come in order, so the last one of its stage stays.
            outputs[f"P{stage.removeprefix('conv')}"] = layer.output
    if len(outputs) != len(STAGES):
        raise ValueError(
            "`model` must be a network of this package, with layers named as "
            f"`conv2_block1_out`. Received: model={model.name!r}"
        )
    return outputs


def _builder(depth: int) -> ImageBuilder:
    def build(
        include_top: bool = True,
        weights: Weights = None,
        input_tensor: Any = None,
        input_shape: tuple[int | None, ...] | None = None,
        pooling: str | None = None,
        classes: int = 1000,
        classifier_activation: Activation = "softmax",
        name: str | None = None,
        *,
        nonlocal_blocks: int | Placement = 1,
        nonlocal_mode: str = "embedded_gaussian",
        nonlocal_pool_size: int | tuple[int, int] | None = 2,
        stride_in_1x1: bool | None = None,
        width: int = 64,
        dropout_rate: float = 0.0,
        kernel_regularizer: Any = None,
        normalization: str = "batch",
        include_preprocessing: bool = False,
    ) -> keras.Model:
        check_head(include_top, pooling, classes, dropout_rate, None, rank=2)
        pretrained = resolve_image_weights(weights, classes)
        spec = network_spec(
            depth,
            "image",
            nonlocal_blocks=nonlocal_blocks,
            width=width,
            stride_in_1x1=settle(pretrained, "stride_in_1x1", stride_in_1x1, False),
        )
        model = build_network(
            spec,
            include_top=include_top,
            input_tensor=input_tensor,
            input_shape=input_shape,
            num_frames=None,
            pooling=pooling,
            classes=classes,
            classifier_activation=classifier_activation,
            name=name,
            nonlocal_options={"mode": nonlocal_mode, "pool_size": nonlocal_pool_size},
            temporal_group_size=None,
            dropout_rate=dropout_rate,
            kernel_regularizer=kernel_regularizer,
            score_window=None,
            normalization=normalization,
            pixel_normalization=(
                pretrained.normalization if include_preprocessing else None
            ),
        )
        pretrained.load(model)
        model.pyramid_outputs = pyramid_outputs(model)
        return model

    build.__name__ = build.__qualname__ = f"NLResNet{depth}"
    build.__doc__ = _DOCSTRING.format(depth=depth)
    return build


NLResNet50 = _builder(50)
NLResNet101 = _builder(101)
NLResNet152 = _builder(152)
