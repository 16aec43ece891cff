"""The part of a step that a replica computes without the others.

The forward and backward pass stay on the replica, so XLA can compile them. All
communication between replicas happens outside. Before the passes, the number of samples
in the global batch is summed; after them, the divisors of the losses (see `loss_terms`)
and the gradients (see `updates`). A replica without samples skips the passes and
contributes zeros. It takes as many random numbers as the others, so the seeds of all
replicas stay equal.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from keras_nonlocal.replicas import compiling, sharding, updates
from keras_nonlocal.replicas.loss_terms import LossTerms, collecting
from keras_nonlocal.replicas.sharding import sample_count
from keras_nonlocal.replicas.sublayers import seed_states
from keras_nonlocal.tensors import Tensor

Parts = dict[str, Any]


def train_on_replica(model: keras.Model, data: Any) -> list[Tensor]:
    """Computes losses, metrics and gradients for this replica's part of the batch.

    Returns:
        One gradient for each of `model.trainable_variables`, with zeros for variables
        on which the loss does not depend. Summed over the replicas, they are the
        gradients for the global batch.
    """
    parts = _run(model, data, training=True)
    gradients = parts["gradients"]
    for factor, others in zip(parts["factors"], parts["term_gradients"], strict=True):
        gradients = [
            gradient + tf.cast(factor, other.dtype) * other
            for gradient, other in zip(gradients, others, strict=True)
        ]
    return sharding.placed(gradients)


def test_on_replica(model: keras.Model, data: Any) -> None:
    """Updates losses and metrics with this replica's part of the batch."""
    _run(model, data, training=False)


def predict_on_replica(predict_step: Callable[[Any], Any], data: Any) -> Any:
    """Returns the outputs for this replica's part of the batch, which may be empty."""
    x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
    count = sample_count(x)
    if isinstance(count, int) and count > 0:
        return predict_step((x,))
    # Convolutions fail on an empty batch.
    missing = tf.cast(tf.equal(count, 0), tf.int32)

    def padded(value: Any) -> Any:
        if value is None:
            return None
        shape = tf.concat([[missing], tf.shape(value)[1:]], axis=0)
        return tf.concat([value, tf.zeros(shape, value.dtype)], axis=0)

    outputs = predict_step((keras.tree.map_structure(padded, x),))
    return keras.tree.map_structure(lambda value: value[:count], outputs)


@dataclass
class _Trace:
    """Facts about a step that are known while its graph is built.

    Attributes:
        parts: Losses and gradients of a replica, or tensors of the same shapes.
        positions: Indices of the losses whose divisor the forward pass determines.
        sizes_are_static: Whether the number of samples is known.
    """

    parts: Parts | None = None
    positions: tuple[int, ...] = ()
    sizes_are_static: bool = True


def _run(model: keras.Model, data: Any, *, training: bool) -> Parts:
    """Runs the model on this replica's samples and updates all metrics."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    context = tf.distribute.get_replica_context()
    count = sample_count(x)
    samples = tf.cast(count, tf.float32)
    total = context.all_reduce(tf.distribute.ReduceOp.SUM, samples)
    # The batch is empty on all replicas if none of its videos can be read.
    is_empty, total = tf.equal(total, 0.0), tf.maximum(total, 1.0)
    share = samples * context.num_replicas_in_sync / total
    trace = _Trace()
    passes = _passes(model, trace, training=training)
    seeds = seed_states(model)
    seeds_before = [tf.identity(seed.value) for seed in seeds]

    def with_samples() -> Parts:
        y_pred, masks, parts = _compiled(model, passes)(x, y, sample_weight, share)
        _set_masks(y_pred, masks)
        model.compute_metrics(x, y, y_pred, sample_weight)
        trace.parts = parts
        return dict(parts)

    def without_samples() -> Parts:
        if trace.parts is None:
            traced = tf.function(passes, autograph=False)
            specs = sharding.specs_of_any_size((x, y, sample_weight))
            graph = traced.get_concrete_function(*specs, share)
            trace.parts = graph.structured_outputs[2]
        return tf.nest.map_structure(lambda t: tf.zeros(t.shape, t.dtype), trace.parts)

    if training and compiling.has_synchronized_norms(model):
        # All replicas stop alike, and no layer meets the empty part before they do.
        empty = context.all_reduce(
            tf.distribute.ReduceOp.SUM, tf.cast(tf.equal(samples, 0), tf.float32)
        )
        check = tf.debugging.assert_equal(
            empty,
            tf.zeros((), empty.dtype),
            "Synchronized batch normalizations need at least one sample on every "
            "replica. Drop the last, smaller batch (drop_remainder=True).",
        )
        with tf.control_dependencies([check]):
            x = keras.tree.map_structure(tf.identity, x)
        parts = with_samples()
    elif isinstance(count, int):
        parts = with_samples() if count else without_samples()
    else:
        parts = tf.cond(count > 0, with_samples, without_samples)
    updates.advance_seeds(seeds, seeds_before, samples > 0)
    if training:
        weight = tf.where(is_empty, 1 / context.num_replicas_in_sync, samples / total)
        updates.average_moving_statistics(model, weight)
    parts["factors"] = _factors(parts["divisors"])
    _update_loss_metrics(model, parts, trace, samples, total)
    return parts


def _passes(
    model: keras.Model, trace: _Trace, *, training: bool
) -> Callable[..., tuple[Any, list[Any], Parts]]:
    """Returns the function of the forward and, in training, the backward pass."""
    metrics = compiling.loss_metrics(model)

    def passes(x: Any, y: Any, sample_weight: Any, share: Tensor) -> Tensor:
        variables = [v.value for v in model.trainable_variables] if training else []
        with tf.GradientTape(True, watch_accessed_variables=training) as tape:
            y_pred = model(x, **_training_argument(model.call, training))
            terms = LossTerms(share, tape)
            with collecting(terms, metrics):
                loss = model.compute_loss(
                    x,
                    y,
                    y_pred,
                    sample_weight,
                    **_training_argument(model.compute_loss, training),
                )
            measured = list(terms.measured.values())
            share = tf.cast(share, loss.dtype)
            targets = [loss * share, *(term.value for term in measured)]
            if training:
                targets = [model.optimizer.scale_loss(target) for target in targets]
        slopes = [
            tf.zeros_like(loss) if slope is None else slope
            for slope in tape.gradient(loss, [term.leaf for term in measured])
        ]
        trace.positions = tuple(terms.measured)
        trace.sizes_are_static = terms.sizes_are_static
        parts = {
            "loss": share * (loss - _linear(slopes, [term.leaf for term in measured])),
            "slopes": slopes,
            "values": terms.values,
            "divisors": [term.divisor for term in measured],
            "gradients": _gradients(tape, targets[0], variables),
            "term_gradients": [
                _gradients(tape, target, variables, slope)
                for target, slope in zip(targets[1:], slopes, strict=True)
            ],
        }
        del tape
        return y_pred, _masks(y_pred), parts

    return passes


def _gradients(
    tape: tf.GradientTape, target: Tensor, variables: list[Any], factor: Tensor = 1.0
) -> list[Tensor]:
    if not variables:
        return []
    gradients = tape.gradient(
        target,
        variables,
        output_gradients=tf.cast(factor, target.dtype),
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
    # Replicas without samples need these shapes to create zeros.
    return [
        tf.ensure_shape(tf.convert_to_tensor(gradient), variable.shape)
        for gradient, variable in zip(gradients, variables, strict=True)
    ]


def _linear(slopes: list[Tensor], values: list[Tensor]) -> Tensor:
    return sum(s * tf.cast(v, s.dtype) for s, v in zip(slopes, values, strict=True))


def _factors(divisors: list[Tensor]) -> list[Tensor]:
    """Returns the factor of each measured loss, its share of the summed divisors."""
    if not divisors:
        return []
    context = tf.distribute.get_replica_context()
    totals = context.all_reduce(tf.distribute.ReduceOp.SUM, sharding.placed(divisors))
    return [
        tf.math.divide_no_nan(own * context.num_replicas_in_sync, total)
        for own, total in zip(divisors, totals, strict=True)
    ]


def _update_loss_metrics(
    model: keras.Model, parts: Parts, trace: _Trace, samples: Tensor, total: Tensor
) -> None:
    """Updates the mean losses to the values that one device would have.

    A mean sums `value * weight` and divides by the sum of the weights. The values of
    the replicas add up to that of the global batch, and so must the weights: each
    replica's weight is its share of the samples.
    """
    values = list(parts["values"])
    for position, factor in zip(trace.positions, parts["factors"], strict=True):
        values[position] = tf.cast(factor, values[position].dtype) * values[position]
    measured = [values[position] for position in trace.positions]
    loss = parts["loss"] + _linear(parts["slopes"], measured)
    # Without samples, the value is 0.
    upscale = total / tf.maximum(samples, 1.0)
    for metric in model.metrics:
        if metric.name == "loss":
            metric.update_state(loss * upscale, sample_weight=samples)
            break
    metrics = compiling.loss_metrics(model)
    if len(metrics) == len(values):
        # Keras weights batches by their size if the graph knows it.
        weight = samples if trace.sizes_are_static else samples / total
        for metric, value in zip(metrics, values, strict=True):
            metric.update_state(value * upscale, sample_weight=weight)


def _training_argument(function: Callable[..., Any], training: bool) -> dict[str, bool]:
    """Returns `training` as a keyword argument, for functions that have it."""
    has_it = "training" in inspect.signature(function).parameters
    return {"training": training} if has_it else {}


def _masks(y_pred: Any) -> list[Tensor]:
    return [getattr(leaf, "_keras_mask", None) for leaf in keras.tree.flatten(y_pred)]


def _set_masks(y_pred: Any, masks: list[Tensor]) -> None:
    """Restores the masks that the outputs of a compiled function had inside it."""
    for leaf, mask in zip(keras.tree.flatten(y_pred), masks, strict=True):
        if mask is not None:
            leaf._keras_mask = mask


def _compiled(model: keras.Model, function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `function`, compiled for this replica if the model uses XLA."""
    if not model.jit_compile:
        return function
    return tf.function(function, jit_compile=True, autograph=False)
