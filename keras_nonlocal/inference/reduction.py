"""From the scores of a video's views to those of the video."""

from typing import Literal

import keras
import numpy as np

from keras_nonlocal.data.arguments import check_choice

Reduction = Literal["mean", "max", "logits"]

_SMALLEST = np.finfo("float32").tiny


def check_reduction(reduction: str, model: keras.Model) -> None:
    """Raises `ValueError` where the scores of `model` cannot be reduced like this."""
    check_choice("reduction", reduction, ("mean", "max", "logits"))
    if reduction == "logits" and _activation(model) not in ("softmax", "sigmoid"):
        raise ValueError(
            '`reduction="logits"` needs a model that ends with a softmax or a sigmoid; '
            'use "mean" for one that gives logits. '
            f"Received: a model that ends with {_activation(model)!r}"
        )


def reduce_views(
    scores: np.ndarray, reduction: Reduction, model: keras.Model
) -> np.ndarray:
    """Scores `(num_views, classes)` to `(classes,)`, computed in float64.

    Args:
        scores: What `model` gave for the views.
        reduction: `"mean"` or `"max"` of the scores, or `"logits"`: the softmax (or
            sigmoid) of the mean of the logits.
        model: Its last activation says what the logits are.
    """
    values = scores.astype("float64")
    if reduction == "max":
        return values.max(axis=0).astype(scores.dtype)
    if reduction == "mean":
        return values.mean(axis=0).astype(scores.dtype)
    logits = np.log(np.maximum(values, _SMALLEST))
    if _activation(model) == "sigmoid":
        logits -= np.log(np.maximum(1 - values, _SMALLEST))
        return (1 / (1 + np.exp(-logits.mean(axis=0)))).astype(scores.dtype)
    # The mean of the logits but for a constant, which the softmax takes away.
    mean = logits.mean(axis=0)
    weights = np.exp(mean - mean.max())
    return (weights / weights.sum()).astype(scores.dtype)


def _activation(model: keras.Model) -> str | None:
    """Name of the activation of the last layer that has one."""
    for layer in reversed(model.layers):
        activation = getattr(layer, "activation", None)
        if activation is not None:
            return getattr(activation, "__name__", str(activation))
        if isinstance(layer, keras.layers.Softmax):
            return "softmax"
    return None
