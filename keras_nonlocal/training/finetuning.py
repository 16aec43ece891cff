"""Fine-tuning of trained networks: new classes, frozen stages, longer clips."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import keras

from keras_nonlocal.architectures import STAGES
from keras_nonlocal.arguments import check_positive_integer
from keras_nonlocal.layer_names import AVERAGE_POOL, PREDICTIONS, stage_of
from keras_nonlocal.models.clip_model import clip_info
from keras_nonlocal.models.head import classifier
from keras_nonlocal.models.settings import Activation, HeadSettings
from keras_nonlocal.training.strategies import scope_of

FREEZABLE = ("stem", *STAGES)


def replace_classifier(
    model: keras.Model,
    classes: int,
    *,
    classifier_activation: Activation = "softmax",
    dropout_rate: float = 0.5,
    kernel_regularizer: Any = None,
) -> keras.Model:
    """Puts a new classifier on a network of this package.

    All other layers are shared with `model`, so training one model changes both.

    Args:
        model: A network with its top and any weights.
        classes: Number of the new classes.
        classifier_activation: `"softmax"`; `"sigmoid"` for videos with several
            labels, as in Charades; `None` for logits. Defaults to `"softmax"`.
        dropout_rate: Fraction of the features dropped before the classifier in
            training. Defaults to `0.5`.
        kernel_regularizer: Regularizer of the new classifier's kernel.

    Returns:
        A model that takes the same clips and returns scores `(batch, classes)`.

    Raises:
        ValueError: If the model does not have a classifier from a builder of this
            package.

    Example:

    >>> model = keras_nonlocal.NLResNet50C2D(
    ...     classes=7, input_shape=(4, 32, 32, 3), width=4)
    >>> charades = keras_nonlocal.training.replace_classifier(
    ...     model, 157, classifier_activation="sigmoid")
    >>> charades.compile("sgd", "binary_crossentropy", metrics=[
    ...     keras_nonlocal.training.MeanAveragePrecision(157, capacity=2000)])
    >>> charades.output_shape
    (None, 157)
    """
    names = {layer.name for layer in model.layers}
    if not {AVERAGE_POOL, PREDICTIONS} <= names:
        raise ValueError(
            "`model` must be a network of keras_nonlocal with its top. "
            f"Received: model={model.name!r}"
        )
    pooling = model.get_layer(AVERAGE_POOL)
    head = HeadSettings(
        include_top=True,
        pooling=None,
        classes=classes,
        activation=classifier_activation,
        dropout_rate=dropout_rate,
        score_window=getattr(pooling, "pool_size", None),
    )
    head.check(rank=len(model.input.shape) - 2)
    with scope_of(model):
        outputs = classifier(pooling.input, head, kernel_regularizer)
        new = type(model)(model.input, outputs, name=model.name)
    new.clip_info = replace(clip_info(model), class_names=None)
    return new


def freeze_stages(model: keras.Model, stages: Iterable[str]) -> list[str]:
    """Freezes the weights and batch statistics of whole stages.

    Compile the model afterwards. `layer.trainable = True` unfreezes a layer.

    Args:
        model: A network of this package.
        stages: Some of `"stem"`, `"res2"`, `"res3"`, `"res4"`, `"res5"`.

    Returns:
        The names of the frozen layers that have weights.

    Raises:
        ValueError: If a stage does not exist.

    Example:

    >>> model = keras_nonlocal.NLResNet50C2D(input_shape=(4, 32, 32, 3), width=4)
    >>> frozen = keras_nonlocal.training.freeze_stages(model, ("stem", "res2"))
    >>> frozen[:3]
    ['conv1_conv', 'conv1_bn', 'conv2_block1_1_conv']
    """
    stages = [stages] if isinstance(stages, str) else [*stages]
    if unknown := [stage for stage in stages if stage not in FREEZABLE]:
        raise ValueError(
            f"`stages` must be some of {FREEZABLE}. Received: stages={unknown}"
        )
    frozen = []
    for layer in model.layers:
        if stage_of(layer.name) in stages:
            layer.trainable = False
            if layer.weights:
                frozen.append(layer.name)
    if stages and not frozen:
        raise ValueError(
            "`model` must be a network of keras_nonlocal. "
            f"Received: model={model.name!r}"
        )
    return frozen


def with_num_frames(model: keras.Model, num_frames: int) -> keras.Model:
    """Copies a network with its weights for clips of a different length.

    Only the input of these networks depends on the number of frames. This function is
    the first step of the paper's training on 128 consecutive frames. That training
    starts from a network for 32 frames, has 2 clips on each of 8 GPUs, freezes batch
    normalization and takes the same number of updates:

    ```python
    long = with_num_frames(model, 128)
    freeze_batch_norm(long)  # too few clips for statistics
    rate = step_schedule(scaled_learning_rate(16))  # 0.0025
    long.compile(nesterov_sgd(rate), "sparse_categorical_crossentropy")
    ```

    Args:
        model: A network of this package.
        num_frames: Frames per clip.

    Returns:
        A new model that shares no variable with `model`.

    Raises:
        TypeError: If `num_frames` is not an integer.
        ValueError: If the network cannot take so few frames, or does not take clips.

    Example:

    >>> short = keras_nonlocal.NLResNet50I3D(
    ...     classes=3, input_shape=(8, 32, 32, 3), width=4,
    ...     stem_temporal_strides=(2, 2))
    >>> keras_nonlocal.training.with_num_frames(short, 32).input_shape
    (None, 32, 32, 32, 3)

    References:
        Section 4.1 and Table 2g of
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971).
    """
    shape = _input_shape(model)
    num_frames = check_positive_integer("num_frames", num_frames)
    frames_axis = 1 if keras.config.image_data_format() == "channels_first" else 0
    shape[frames_axis] = num_frames
    inputs = keras.Input(shape, name="clips", dtype=model.input.dtype)
    with scope_of(model):
        copy = keras.models.clone_model(model, input_tensors=inputs)
        copy.set_weights(model.get_weights())
    copy.clip_info = replace(clip_info(model), num_frames=num_frames)
    return copy


def _input_shape(model: keras.Model) -> list[int | None]:
    shape: Sequence[Any] = getattr(model, "input_shape", ())
    if len(shape) != 5:
        raise ValueError(
            "`model` must take clips of shape (batch, num_frames, height, width, "
            f"channels). Received: the input shape {shape}"
        )
    return [*shape[1:]]
