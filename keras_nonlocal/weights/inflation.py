"""Exact inflation of image networks to video networks."""

import keras
import numpy as np

from keras_nonlocal.layer_names import STEM_POOL, convolution_of, pad_name
from keras_nonlocal.weights.arrays import fit_positions
from keras_nonlocal.weights.report import LoadReport
from keras_nonlocal.weights.slots import Slot, model_slots

_STEM_PADDING = pad_name(STEM_POOL)


def inflate(
    image_model: keras.Model, video_model: keras.Model, *, strict: bool = True
) -> LoadReport:
    """Copies the weights of an image ResNet into a network for clips.

    Afterwards, both networks compute the same function. A clip that repeats one image
    has the features and scores of the image: with C2D on every frame, and with I3D on
    the frames whose temporal window does not touch the zero padding. Each of the `t`
    planes of a `t×k×k` kernel is the image kernel divided by `t`. The networks of
    `keras.applications` have biases in their convolutions, which are folded into the
    moving means, and the epsilon 1.001e-5, which is folded into the scales.

    Non-local blocks that the image network does not have keep their values. A new block
    is the identity.

    Args:
        image_model: `keras.applications.ResNet50`, `ResNet101` or `ResNet152`, or an
            image network of this package.
        video_model: A network of this package of the same depth and width, for clips
            or images.
        strict: Whether to raise an error if the classifier does not fit. With `False`,
            it keeps its values, for fine-tuning with a different number of classes.
            Defaults to `True`.

    Returns:
        A report on the loaded and unchanged variables.

    Raises:
        ValueError: If the two networks differ in depth, width, the position of their
            strides, the padding of pool1, or (with `strict`) in their classifiers. The
            video model then stays unchanged.

    Example:

    >>> import keras
    >>> image_model = keras.applications.ResNet50(weights=None, classes=7)
    >>> video_model = keras_nonlocal.NLResNet50C2D(
    ...     input_shape=(8, 64, 64, 3), classes=7, stride_in_1x1=True)
    >>> report = keras_nonlocal.weights.inflate(image_model, video_model)
    >>> len(report.loaded)
    267

    References:
        - [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 4.2.
    """
    _check_geometry(image_model, video_model)
    source = {slot.name: slot for slot in model_slots(image_model)}
    planned: list[tuple[Slot, np.ndarray]] = []
    left, problems = [], []
    for slot in model_slots(video_model):
        if slot.name not in source:
            left.append(slot.name)
            if not _may_be_absent(slot, strict):
                problems.append(f"{slot.name} is not in the image model")
            continue
        value = fit_positions(_folded(source, slot), slot.shape)
        if value.shape == slot.shape:
            planned.append((slot, value))
            continue
        left.append(slot.name)
        if strict or not _is_head(slot):
            problems.append(
                f"{slot.name} has the shape {value.shape} in the image model and "
                f"{slot.shape} in the video model"
            )
    problems += _unused_layers(source, video_model)
    if problems:
        raise ValueError(
            f"`image_model` does not fit `video_model`: {'; '.join(problems)}. "
            f"Received: image_model={image_model.name!r}, "
            f"video_model={video_model.name!r}"
        )
    for slot, value in planned:
        slot.variable.assign(value)
    return LoadReport(
        image_model.name,
        "keras",
        tuple(slot.name for slot, _ in planned),
        left=tuple(left),
    )


def _may_be_absent(slot: Slot, strict: bool) -> bool:
    if slot.place is None:
        return True
    return slot.place.unit == "nonlocal" or (_is_head(slot) and not strict)


def _is_head(slot: Slot) -> bool:
    return slot.place is not None and slot.place.unit == "head"


def _unused_layers(source: dict[str, Slot], video_model: keras.Model) -> list[str]:
    """Returns the layers that only the image network has, except the head."""
    present = {layer.name for layer in video_model.layers}
    names = {
        slot.name.partition("/")[0]
        for slot in source.values()
        if slot.place is not None and not _is_head(slot)
    }
    return [f"{name} is not in the video model" for name in sorted(names - present)]


def _folded(source: dict[str, Slot], slot: Slot) -> np.ndarray:
    """Returns the value for a slot after folding in the bias and the other ε.

    γ (w ∗ x + b − μ) / √(σ² + ε) + β does not change if b is subtracted from μ, and if
    γ is multiplied by the ratio of the two √(σ² + ε).
    """
    value = _numpy(source[slot.name])
    layer, _, role = slot.name.rpartition("/")
    if role == "moving_mean":
        bias = source.get(f"{convolution_of(layer)}/bias")
        return value if bias is None else value - _numpy(bias)
    if role == "gamma":
        variance = _numpy(source[f"{layer}/moving_variance"])
        image_epsilon = source[slot.name].layer.epsilon
        return value * np.sqrt(
            (variance + slot.layer.epsilon) / (variance + image_epsilon)
        )
    return value


def _numpy(slot: Slot) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(slot.variable), np.float64)


def _check_geometry(image_model: keras.Model, video_model: keras.Model) -> None:
    """Checks strides and padding, which weights do not determine."""
    image_layers, video_layers = (
        {layer.name: layer for layer in model.layers}
        for model in (image_model, video_model)
    )
    for name, layer in image_layers.items():
        other = video_layers.get(name)
        if other is None or not hasattr(layer, "kernel_size"):
            continue
        if tuple(layer.strides)[-2:] != tuple(other.strides)[-2:]:
            raise ValueError(
                f"`{name}` has the strides {tuple(layer.strides)} in the image model "
                f"and {tuple(other.strides)} in the video model, which no change of "
                "weights makes up for: build the video model with `stride_in_1x1=True` "
                "for `keras.applications` and `False` for the others. "
                f"Received: image_model={image_model.name!r}, "
                f"video_model={video_model.name!r}"
            )
    if (_STEM_PADDING in image_layers) != (_STEM_PADDING in video_layers):
        raise ValueError(
            "pool1 is padded in one of the two networks only: build the video model "
            'with `stem_pool_padding="same"` for `keras.applications`. '
            f"Received: image_model={image_model.name!r}, "
            f"video_model={video_model.name!r}"
        )
