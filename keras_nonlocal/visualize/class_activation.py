"""Locates a class in a clip by the gradient of its score (Grad-CAM)."""

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from keras_nonlocal.arguments import is_integer
from keras_nonlocal.tensors import Tensor
from keras_nonlocal.visualize.class_scores import scores_after, scores_of_outputs
from keras_nonlocal.visualize.layer_choice import find_feature_layer


@dataclass(frozen=True)
class ClassActivation:
    """The places and times at which a class shows.

    Args:
        layer_name: The layer whose features are weighted.
        class_index: The class.
        score: The model's output for the class. For the first of two classes with one
            sigmoid unit, it is 1 minus the unit's output.
        heat: How strongly the class shows, `(frames, height, width)` of the layer. The
            maximum is 1; all values are 0 if the class does not show.
    """

    layer_name: str
    class_index: int
    score: float
    heat: np.ndarray

    def resized(self, num_frames: int, height: int, width: int) -> np.ndarray:
        """Returns the heat, linearly interpolated to `(num_frames, height, width)`."""
        heat = self.heat
        for axis, size in enumerate((num_frames, height, width)):
            heat = _resized_along(heat, axis, size)
        return heat


def grad_cam(
    model: keras.Model,
    clip: Tensor,
    layer_name: str | None = None,
    *,
    class_index: int | None = None,
) -> ClassActivation:
    """Finds the places and times at which a class shows.

    Computes `ReLU(Σ_k α_k A_k)`, where `A_k` is channel k of a layer's features. `α_k`
    is the gradient of the class's score with respect to `A_k`, averaged over all places
    and times. The score is taken before the softmax (or sigmoid) of the last `Dense`
    layer. Works on the TensorFlow, JAX and torch backends.

    Args:
        model: A functional model that takes clips and returns scores
            `(batch, classes)`. One sigmoid unit decides between two classes.
        clip: Input of the model, a batch of one:
            `(1, num_frames, height, width, channels)`.
        layer_name: Name of a layer that returns features of clips. All later layers
            must depend on it, without a shortcut around it. Defaults to the last
            non-local block, or else to the last such layer.
        class_index: The class. Defaults to the one with the highest score.

    Returns:
        The class, its score, and where it shows in the features of the layer.

    Raises:
        ValueError: If the model has no such layer or class.

    Example:

    >>> model = keras_nonlocal.NLResNet50C2D(
    ...     input_shape=(4, 32, 32, 3), classes=2, width=4)
    >>> clip = np.random.rand(1, 4, 32, 32, 3)
    >>> keras_nonlocal.visualize.grad_cam(model, clip).resized(4, 32, 32).shape
    (4, 32, 32)

    References:
        [Grad-CAM](https://arxiv.org/abs/1610.02391), Selvaraju et al., ICCV 2017.
    """
    layer = find_feature_layer(model, layer_name)
    body = keras.Model(model.input, [layer.output, model.outputs[0]])
    features, outputs = body(clip, training=False)
    scores, is_binary = scores_of_outputs(model, outputs)
    index = _checked_class(class_index, scores)
    head = scores_after(model, layer)
    gradient = _gradient(head, features, 0 if is_binary else index)
    maps, slopes = (
        ops.convert_to_numpy(ops.cast(x, "float32"))[0] for x in (features, gradient)
    )
    if keras.config.image_data_format() == "channels_first":
        maps, slopes = np.moveaxis(maps, 0, -1), np.moveaxis(slopes, 0, -1)
    if is_binary and index == 0:
        slopes = -slopes  # the unit scores the second class
    heat = np.maximum(maps @ slopes.mean(axis=(0, 1, 2)), 0)
    highest = heat.max()
    return ClassActivation(
        layer.name,
        index,
        float(scores[index]),
        heat / highest if highest > 0 else heat,
    )


def _checked_class(class_index: int | None, scores: np.ndarray) -> int:
    if class_index is None:
        return int(scores.argmax())
    if not is_integer(class_index) or not 0 <= class_index < len(scores):
        raise ValueError(
            f"`class_index` must be an integer from 0 to {len(scores) - 1}. "
            f"Received: class_index={class_index!r}"
        )
    return int(class_index)


def _gradient(head: keras.Model, features: Tensor, class_index: int) -> Tensor:
    """Returns the gradient of one score with respect to the features."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(features)
            score = head(features, training=False)[0, class_index]
        return tape.gradient(score, features)
    if backend == "torch":
        import torch

        leaf = features.detach().requires_grad_()
        with torch.enable_grad():
            score = head(leaf, training=False)[0, class_index]
        return torch.autograd.grad(score, leaf)[0]
    if backend == "jax":
        import jax

        return jax.grad(lambda x: head(x, training=False)[0, class_index])(features)
    raise ValueError(
        "Gradients are computed on the TensorFlow, JAX and torch backends. "
        f"Received: backend={backend!r}"
    )


def _resized_along(x: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Interpolates linearly between the centers of cells along one axis."""
    length = x.shape[axis]
    at = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, length - 1)
    shape = [1] * x.ndim
    shape[axis] = size
    share = (at - low).reshape(shape)
    return x.take(low, axis) * (1 - share) + x.take(high, axis) * share
