"""Updates of the weights, which combine the replicas."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from keras_nonlocal.replicas.compiling import accumulation_steps
from keras_nonlocal.replicas.sharding import placed
from keras_nonlocal.replicas.sublayers import batch_norms, updates_statistics
from keras_nonlocal.tensors import Tensor


def apply_gradients(model: keras.Model, gradients: Sequence[Tensor]) -> None:
    """Updates the model with the sum of the gradients of all replicas.

    Keras's optimizers sum the gradients over the replicas only after each replica has
    clipped or accumulated its own gradients, or checked them for infinite values under
    a loss scale. In these cases, the gradients are summed here first. For clipping and
    loss scaling, the first replica passes the sum to the optimizer and the others pass
    zeros. For accumulation, all replicas pass equal parts, which checkpoints can store.
    """
    context = tf.distribute.get_replica_context()
    if _looks_at_gradients(model.optimizer):
        # A product makes a non-finite gradient non-finite on all replicas.
        gradients = _summed(gradients, tf.equal(context.replica_id_in_sync_group, 0))
    elif accumulation_steps(model.optimizer):
        gradients = _summed(gradients, 1 / context.num_replicas_in_sync)
    model.optimizer.apply_gradients(
        zip(gradients, model.trainable_variables, strict=True)
    )


@contextmanager
def after_all_gradients(optimizer: Any) -> Iterator[None]:
    """Lets the updates of an optimizer in a graph wait for all gradients.

    TensorFlow would otherwise begin with what needs no gradient, such as the decay of
    momentum and of weights, while the forward pass still needs the old weights: up to
    twice the memory of the weights, for the time that memory is scarcest.
    """
    if optimizer is None or tf.executing_eagerly():
        yield
        return
    apply = optimizer.apply_gradients
    own = vars(optimizer).get("apply_gradients")

    def wait_and_apply(
        pairs: Iterable[tuple[Any, Any]], *args: Any, **kwargs: Any
    ) -> Any:
        pairs = list(pairs)
        gradients = [gradient for gradient, _ in pairs if gradient is not None]
        with tf.control_dependencies(gradients):
            return apply(pairs, *args, **kwargs)

    optimizer.apply_gradients = wait_and_apply
    try:
        yield
    finally:
        del optimizer.apply_gradients
        if own is not None:
            optimizer.apply_gradients = own


def average_moving_statistics(model: keras.Model, share: Tensor) -> None:
    """Sets the moving statistics of all replicas to their weighted mean.

    Each replica updates its own statistics with its part of the batch. Weighted by the
    number of samples, their mean is the update with the mean over the whole batch and
    with the mean of the variances. A replica without samples has no influence. Frozen
    statistics are left out, because the mean of equal numbers can differ from them by
    rounding.

    Args:
        model: The model.
        share: This replica's share of the samples in the batch.
    """
    context = tf.distribute.get_replica_context()
    statistics = [
        variable
        for norm in batch_norms(model)
        if updates_statistics(norm) and not norm.synchronized
        for variable in (norm.moving_mean, norm.moving_variance)
    ]
    if not statistics or context.num_replicas_in_sync == 1:
        return
    means = context.all_reduce(
        tf.distribute.ReduceOp.SUM,
        placed([tf.cast(share, v.dtype) * v.value for v in statistics]),
    )
    for variable, mean in zip(statistics, means, strict=True):
        variable.assign(mean)


def advance_seeds(
    seeds: Sequence[keras.Variable], before: Sequence[Tensor], drew: Tensor
) -> None:
    """Lets a replica that drew no random numbers skip those that the others drew.

    Args:
        seeds: The states of the model's seed generators, which count the draws.
        before: Their values at the beginning of the step.
        drew: Whether this replica ran the model.
    """
    context = tf.distribute.get_replica_context()
    if not seeds or context.num_replicas_in_sync == 1:
        return
    # In a type that adds integers exactly.
    drew = tf.cast(drew, tf.float64)
    steps = [
        tf.cast(seed.value - old, tf.float64)
        for seed, old in zip(seeds, before, strict=True)
    ]
    drawn, number = context.all_reduce(
        tf.distribute.ReduceOp.SUM, placed([tf.stack(steps) * drew, drew])
    )
    missing = (1 - drew) * tf.math.divide_no_nan(drawn, number)
    for seed, step in zip(seeds, tf.unstack(missing), strict=True):
        seed.assign(seed.value + tf.cast(step, seed.dtype))


def _looks_at_gradients(optimizer: keras.optimizers.Optimizer) -> bool:
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return True
    limits = (optimizer.clipnorm, optimizer.clipvalue, optimizer.global_clipnorm)
    return any(limit is not None for limit in limits)


def _summed(gradients: Sequence[Tensor], part: Tensor) -> list[Tensor]:
    context = tf.distribute.get_replica_context()
    sums = context.all_reduce(tf.distribute.ReduceOp.SUM, list(gradients))
    return [total * tf.cast(part, total.dtype) for total in sums]
