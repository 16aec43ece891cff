"""What one replica does with its part of a batch.

Forward and backward pass stay on the replica and may be compiled by XLA; whatever needs
the other replicas is outside: the number of samples of the global batch before, the
update of the weights (`updates`) after.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_nonlocal.replicas import compiling, sharding
from keras_nonlocal.replicas.sharding import sample_count


def train_on_replica(model: keras.Model, data: Any) -> list[Any]:
    """Losses, metrics and gradients of this replica's part of the batch.

    Returns:
        One gradient for each of `model.trainable_variables`, zeros where the loss does
        not depend on it. Their sums over the replicas are those of the global batch.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    variables = [variable.value for variable in model.trainable_variables]

    def forward_backward(x: Any, y: Any, sample_weight: Any, weight: Any) -> Any:
        with tf.GradientTape() as tape:
            y_pred = model(x, training=True)
            loss = weight * model.compute_loss(x, y, y_pred, sample_weight, True)
            scaled = model.optimizer.scale_loss(loss)
        gradients = tape.gradient(
            scaled, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return y_pred, loss, [tf.convert_to_tensor(gradient) for gradient in gradients]

    def with_samples(weight: Any, count: Any, total: Any) -> list[Any]:
        y_pred, loss, gradients = _compiled(model, forward_backward)(
            x, y, sample_weight, weight
        )
        _update_loss_metric(model, loss, count, total)
        model.compute_metrics(x, y, y_pred, sample_weight)
        return gradients

    def without_samples() -> list[Any]:
        return [tf.zeros(variable.shape, variable.dtype) for variable in variables]

    gradients = _weighted_by_samples(
        model, x, with_samples, without_samples, training=True
    )
    return sharding.placed(gradients)


def test_on_replica(model: keras.Model, data: Any) -> None:
    """Updates losses and metrics with this replica's part of the batch."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)

    def forward(x: Any, y: Any, sample_weight: Any, weight: Any) -> Any:
        y_pred = model(x, training=False)
        return y_pred, weight * model.compute_loss(x, y, y_pred, sample_weight, False)

    def with_samples(weight: Any, count: Any, total: Any) -> list[Any]:
        y_pred, loss = _compiled(model, forward)(x, y, sample_weight, weight)
        _update_loss_metric(model, loss, count, total)
        model.compute_metrics(x, y, y_pred, sample_weight)
        return []

    _weighted_by_samples(model, x, with_samples, list, training=False)


def predict_on_replica(predict_step: Callable[[Any], Any], data: Any) -> Any:
    """Outputs for this replica's part of the batch, which may be empty."""
    x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
    count = sample_count(x)
    if isinstance(count, int) and count > 0:
        return predict_step((x,))
    # Convolutions do not take an empty batch.
    missing = tf.cast(tf.equal(count, 0), tf.int32)

    def padded(value: Any) -> Any:
        if value is None:
            return None
        shape = tf.concat([[missing], tf.shape(value)[1:]], axis=0)
        return tf.concat([value, tf.zeros(shape, value.dtype)], axis=0)

    outputs = predict_step((keras.tree.map_structure(padded, x),))
    return keras.tree.map_structure(lambda value: value[:count], outputs)


def _compiled(model: keras.Model, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, by XLA for this replica alone if the model asks for it."""
    if not model.jit_compile:
        return function
    return tf.function(function, jit_compile=True, autograph=False)


def _weighted_by_samples(
    model: keras.Model,
    x: Any,
    with_samples: Callable[[Any, Any, Any], list[Any]],
    without_samples: Callable[[], list[Any]],
    *,
    training: bool,
) -> list[Any]:
    """Calls `with_samples(weight, count, total)` unless there are no samples.

    `count` samples of this replica are part of `total` ones of the global batch. Keras
    divides a mean over the samples of a replica by the number of replicas. With
    `weight`, the share of this replica times the number of replicas, the losses of the
    replicas add up to that of the global batch, and the regularisation, which every
    replica has once, to itself. Sums over the samples need no weight.
    """
    context = tf.distribute.get_replica_context()
    count = sample_count(x)
    samples = tf.cast(count, tf.float32)
    total = context.all_reduce(tf.distribute.ReduceOp.SUM, samples)
    weight = samples * context.num_replicas_in_sync / total
    if compiling.sums_losses(model):
        weight = tf.ones(())
    if training and compiling.has_synchronized_norms(model):
        tf.debugging.assert_positive(
            count,
            "Synchronised batch normalisations need at least one sample on every "
            "replica. Drop the last, smaller batch (drop_remainder=True).",
        )
        return with_samples(weight, samples, total)
    if isinstance(count, int):
        return with_samples(weight, samples, total) if count else without_samples()
    return tf.cond(
        count > 0, lambda: with_samples(weight, samples, total), without_samples
    )


def _update_loss_metric(model: keras.Model, loss: Any, count: Any, total: Any) -> None:
    """Updates the mean of the loss such that the replicas' parts give the whole one."""
    for metric in model.metrics:
        if metric.name == "loss":
            metric.update_state(loss * (total / count), sample_weight=count)
            return
