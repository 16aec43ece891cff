"""From a trained network to the next training: classes, stages, lengths."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras

from keras_nonlocal.models.head import Activation, check_head, classifier
from keras_nonlocal.training.strategies import scope_of

# Stage -> what the names of its layers begin with.
_LAYER_PREFIXES = {
    "stem": ("conv1_", "pool1_"),
    "res2": ("conv2_",),
    "res3": ("conv3_",),
    "res4": ("conv4_",),
    "res5": ("conv5_",),
}


def replace_classifier(
    model: keras.Model,
    classes: int,
    *,
    classifier_activation: Activation = "softmax",
    dropout_rate: float = 0.5,
    kernel_regularizer: Any = None,
) -> keras.Model:
    """Puts a new classifier on a network of this package.

    All other layers are shared with `model`: training one changes both.

    Args:
        model: A network with its top, with any weights.
        classes: Number of the new classes.
        classifier_activation: `"softmax"`; `"sigmoid"` for videos with several
            labels, as in Charades; `None` for logits. Defaults to `"softmax"`.
        dropout_rate: Share of the features dropped before the classifier in training.
            Defaults to `0.5`.
        kernel_regularizer: For the kernel of the new classifier.

    Returns:
        A model from the same clips to `(batch, classes)`.

    Raises:
        ValueError: If the model has no classifier of a builder of this package.

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
    if not {"avg_pool", "predictions"} <= names:
        raise ValueError(
            "`model` must be a network of keras_nonlocal with its top. "
            f"Received: model={model.name!r}"
        )
    check_head(True, None, classes, dropout_rate, None, rank=3)
    pooling = model.get_layer("avg_pool")
    with scope_of(model):
        outputs = classifier(
            pooling.input,
            classes,
            classifier_activation,
            dropout_rate,
            kernel_regularizer,
            getattr(pooling, "pool_size", None),
        )
        return type(model)(model.input, outputs, name=model.name)


def freeze_stages(model: keras.Model, stages: Iterable[str]) -> list[str]:
    """Freezes whole stages: weights and the statistics of batch normalisation.

    Compile the model afterwards. `layer.trainable = True` undoes it.

    Args:
        model: A network of this package.
        stages: Some of `"stem"`, `"res2"`, `"res3"`, `"res4"`, `"res5"`.

    Returns:
        The names of the frozen layers that have weights.

    Raises:
        ValueError: If there is no such stage.

    Example:

    >>> model = keras_nonlocal.NLResNet50C2D(input_shape=(4, 32, 32, 3), width=4)
    >>> frozen = keras_nonlocal.training.freeze_stages(model, ("stem", "res2"))
    >>> frozen[:3]
    ['conv1_conv', 'conv1_bn', 'conv2_block1_1_conv']
    """
    stages = [stages] if isinstance(stages, str) else [*stages]
    if unknown := [stage for stage in stages if stage not in _LAYER_PREFIXES]:
        raise ValueError(
            f"`stages` must be some of {tuple(_LAYER_PREFIXES)}. "
            f"Received: stages={unknown}"
        )
    prefixes = tuple(prefix for stage in stages for prefix in _LAYER_PREFIXES[stage])
    frozen = []
    for layer in model.layers:
        if layer.name.startswith(prefixes):
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
    """The same network, with the same weights, for clips of another length.

    Nothing in these networks depends on the number of frames but the input. This is
    the first step of the paper's training on 128 consecutive frames, which starts from
    a network for 32 frames, has 2 clips on each of 8 GPUs, freezes batch
    normalisation and takes as many updates as before:

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
        TypeError: If `num_frames` is no integer.
        ValueError: If the network cannot take so few frames, or is none for clips.

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
    if isinstance(num_frames, bool) or not isinstance(num_frames, int):
        raise TypeError(
            f"`num_frames` must be an integer. Received: num_frames={num_frames!r}"
        )
    if num_frames < 1:
        raise ValueError(
            f"`num_frames` must be positive. Received: num_frames={num_frames}"
        )
    frames_axis = 1 if keras.config.image_data_format() == "channels_first" else 0
    shape[frames_axis] = num_frames
    inputs = keras.Input(shape, name="clips", dtype=model.input.dtype)
    with scope_of(model):
        copy = keras.models.clone_model(model, input_tensors=inputs)
        copy.set_weights(model.get_weights())
    return copy


def _input_shape(model: keras.Model) -> list[int | None]:
    shape: Sequence[Any] = getattr(model, "input_shape", ())
    if len(shape) != 5:
        raise ValueError(
            "`model` must take clips of shape (batch, num_frames, height, width, "
            f"channels). Received: the input shape {shape}"
        )
    return [*shape[1:]]
