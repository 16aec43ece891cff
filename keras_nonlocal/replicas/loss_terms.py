"""The loss of a global batch, from the losses of its parts.

Keras divides the mean over a replica's samples by the number of replicas. The sum over
the replicas equals the mean over the global batch only if all parts have the same
divisor. The divisors differ if a batch does not divide evenly, if a mask or
`ignore_class` drops more samples on one replica than on another, or if a loss divides
by the sum of the sample weights.

Each loss therefore reports its divisor. If the divisor is the number of samples, it is
known before the forward pass and becomes a factor of the loss. If only the forward pass
determines it, it must be summed over the replicas, which XLA cannot do in the middle of
a computation. In that case, the compiled computation returns the loss and its gradient
separately, and they are multiplied by their factor afterwards.
"""

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from keras_nonlocal.tensors import Tensor

# Keras has no public name for the class of losses that wrap a function.
_FunctionLoss: Any = keras.losses.MeanSquaredError.__base__
_context = threading.local()


class ReplicaLoss(keras.losses.Loss):
    """A loss that reports its divisor to the step of its replica.

    Args:
        loss: The user's loss.
    """

    def __init__(self, loss: keras.losses.Loss) -> None:
        super().__init__(name=loss.name, reduction=loss.reduction, dtype=loss.dtype)
        self.loss = loss
        self._mask: Tensor = None
        self._is_one_number = False

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Returns the losses of the samples."""
        losses = self.loss.call(y_true, y_pred)
        self._mask = _mask_of(losses)
        self._is_one_number = len(losses.shape) == 0
        return losses

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None
    ) -> Tensor:
        """Returns the reduced loss. In a step, it becomes one of the step's terms."""
        self._mask, self._is_one_number = None, False
        if type(self.loss).__call__ is keras.losses.Loss.__call__:
            value = super().__call__(y_true, y_pred, sample_weight)
        else:
            value = self.loss(y_true, y_pred, sample_weight)
        terms: LossTerms | None = getattr(_context, "terms", None)
        if terms is None:
            return value
        masks = [mask for mask in (_mask_of(y_pred), self._mask) if mask is not None]
        is_weighted = sample_weight is not None or bool(masks)
        if self._is_one_number and not is_weighted and self.reduction != "sum":
            # Keras divides means by the number of replicas, but not a single number.
            context = tf.distribute.get_replica_context()
            value = value / context.num_replicas_in_sync
        divisor = _divisor(self.reduction, masks, sample_weight)
        size = keras.tree.flatten(y_pred)[0].shape[0]
        return terms.add(value, self.reduction, divisor, size is not None)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration of the user's loss."""
        return dict(self.loss.get_config())


def replica_losses(losses: Any) -> Any:
    """Returns the argument `loss` of `compile` with each loss as a `ReplicaLoss`."""

    def wrapped(loss: Any) -> Any:
        if loss is None:
            return None
        loss = keras.losses.get(loss)
        if not isinstance(loss, keras.losses.Loss):
            # TensorFlow uses the name as a scope, in which `<lambda>` is invalid.
            name = re.sub(r"\W+", "", getattr(loss, "__name__", ""))
            loss = _FunctionLoss(loss, name=name or None)
        return ReplicaLoss(loss)

    return keras.tree.map_structure(wrapped, losses)


@dataclass(frozen=True)
class MeasuredTerm:
    """A loss whose divisor is determined by the forward pass.

    Attributes:
        value: The loss, with its gradient.
        leaf: The same value, on which the total loss depends.
        divisor: The divisor of the loss on this replica.
    """

    value: Tensor
    leaf: Any
    divisor: Tensor


class LossTerms:
    """The losses of one step on one replica, in the order in which Keras adds them.

    Args:
        share: This replica's share of the samples in the batch, times the number of
            replicas.
        tape: The tape of the step.
    """

    def __init__(self, share: Tensor, tape: tf.GradientTape) -> None:
        self._share = share
        self._tape = tape
        self.values: list[Tensor] = []
        self.measured: dict[int, MeasuredTerm] = {}
        self.sizes_are_static = True

    def add(
        self, value: Tensor, reduction: Any, divisor: Tensor, is_static: bool
    ) -> Tensor:
        """Adds a loss and returns its contribution to the total.

        The total is multiplied by `share` at the end.
        """
        self.sizes_are_static = self.sizes_are_static and is_static
        if reduction == "sum":
            self.values.append(value)
            return value / tf.cast(self._share, value.dtype)
        if divisor is None:
            self.values.append(value * tf.cast(self._share, value.dtype))
            return value
        leaf = tf.stop_gradient(value)
        self._tape.watch(leaf)
        self.measured[len(self.values)] = MeasuredTerm(value, leaf, divisor)
        self.values.append(value)
        return leaf


@contextlib.contextmanager
def collecting(terms: LossTerms, metrics: list[Any]) -> Iterator[None]:
    """In this context, the losses of this thread report to `terms`.

    Meanwhile, Keras updates the metrics of the individual losses with the values of one
    replica. In this context, these updates have no effect.
    """
    _context.terms = terms
    for metric in metrics:
        metric.update_state = lambda *args, **kwargs: None
    try:
        yield
    finally:
        _context.terms = None
        for metric in metrics:
            del metric.update_state


def _mask_of(tensor: Tensor) -> Tensor:
    return getattr(tensor, "_keras_mask", None)


def _divisor(reduction: Any, masks: list[Tensor], sample_weight: Tensor) -> Tensor:
    """Returns the scalar divisor of a loss, or `None` for the number of samples."""
    mask = None
    for other in masks:
        other = tf.cast(other, "bool")
        mask = other if mask is None else tf.logical_and(mask, other)
    weights = None if mask is None else tf.cast(mask, "float32")
    if reduction == "mean_with_sample_weight" and sample_weight is not None:
        sample_weight = tf.cast(sample_weight, "float32")
        if weights is None:
            weights = sample_weight
        else:
            weights, sample_weight = _of_same_rank(weights, sample_weight)
            weights = weights * sample_weight
    return None if weights is None else tf.reduce_sum(weights)


def _of_same_rank(a: tf.Tensor, b: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    while len(a.shape) < len(b.shape):
        a = a[..., None]
    while len(b.shape) < len(a.shape):
        b = b[..., None]
    return a, b
