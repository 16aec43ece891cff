"""Combines the scores of a video's views."""

from typing import Literal

import numpy as np

from keras_nonlocal.arguments import check_choice

Reduction = Literal["mean", "max", "logits"]

_SMALLEST = np.finfo("float32").tiny


def check_reduction(reduction: str, activation: str | None) -> None:
    """Checks that scores of this kind can be combined in this way.

    Args:
        reduction: `"mean"`, `"max"` or `"logits"`.
        activation: Name of the activation that computes the scores.

    Raises:
        ValueError: If the scores cannot be combined in this way.
    """
    check_choice("reduction", reduction, ("mean", "max", "logits"))
    if reduction == "logits" and activation not in ("softmax", "sigmoid"):
        raise ValueError(
            '`reduction="logits"` needs a model that ends with a softmax or a sigmoid; '
            'use "mean" for a model that returns logits. '
            f"Received: a model that ends with {activation!r}"
        )


def reduce_views(
    scores: np.ndarray, reduction: Reduction, activation: str | None
) -> np.ndarray:
    """Reduces scores `(num_views, classes)` to `(classes,)` in float64.

    Args:
        scores: The scores of the views.
        reduction: `"mean"` or `"max"` of the scores, or `"logits"`: the softmax (or
            sigmoid) of the mean of the logits.
        activation: Name of the activation that computes the scores.
    """
    values = scores.astype("float64")
    if reduction == "max":
        return values.max(axis=0).astype(scores.dtype)
    if reduction == "mean":
        return values.mean(axis=0).astype(scores.dtype)
    logits = np.log(np.maximum(values, _SMALLEST))
    if activation == "sigmoid":
        logits -= np.log(np.maximum(1 - values, _SMALLEST))
        return (1 / (1 + np.exp(-logits.mean(axis=0)))).astype(scores.dtype)
    # The logarithm of a softmax equals the logits minus a constant per view, and a
    # constant does not change the softmax of the mean.
    mean = logits.mean(axis=0)
    weights = np.exp(mean - mean.max())
    return (weights / weights.sum()).astype(scores.dtype)
