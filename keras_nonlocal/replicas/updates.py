"""Updates of the weights, in which the replicas meet."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_nonlocal.replicas.compiling import accumulation_steps
from keras_nonlocal.replicas.sharding import placed
from keras_nonlocal.replicas.sublayers import batch_norms


def apply_gradients(model: keras.Model, gradients: Sequence[Any]) -> None:
    """Updates the model with the sum of the gradients of all replicas.

    Keras's optimizers sum the gradients themselves, but accumulate and clip them, and
    look for the infinities of a loss scale too high, before that on each replica. Where
    it matters, they get the whole sum: from the first replica, the others bringing
    nothing; or, to accumulate, in equal parts, which a checkpoint can hold.
    """
    context = tf.distribute.get_replica_context()
    if _looks_at_gradients(model.optimizer):
        # By a product: what is not finite on one replica is not finite on any.
        gradients = _summed(gradients, tf.equal(context.replica_id_in_sync_group, 0))
    elif accumulation_steps(model.optimizer):
        gradients = _summed(gradients, 1 / context.num_replicas_in_sync)
    model.optimizer.apply_gradients(
        zip(gradients, model.trainable_variables, strict=True)
    )
    average_moving_statistics(model)


def average_moving_statistics(model: keras.Model) -> None:
    """Sets the moving statistics of all replicas to their mean.

    Each replica updates its own. As an exponential average is linear, the mean in every
    step equals the mean at the end.
    """
    context = tf.distribute.get_replica_context()
    statistics = [
        variable
        for norm in batch_norms(model)
        if norm.trainable and not norm.synchronized
        for variable in (norm.moving_mean, norm.moving_variance)
    ]
    if not statistics or context.num_replicas_in_sync == 1:
        return
    means = context.all_reduce(
        tf.distribute.ReduceOp.MEAN, placed([variable.value for variable in statistics])
    )
    for variable, mean in zip(statistics, means, strict=True):
        variable.assign(mean)


def _looks_at_gradients(optimizer: keras.optimizers.Optimizer) -> bool:
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return True
    limits = (optimizer.clipnorm, optimizer.clipvalue, optimizer.global_clipnorm)
    return any(limit is not None for limit in limits)


def _summed(gradients: Sequence[Any], part: Any) -> list[Any]:
    context = tf.distribute.get_replica_context()
    sums = context.all_reduce(tf.distribute.ReduceOp.SUM, list(gradients))
    return [total * tf.cast(part, total.dtype) for total in sums]
