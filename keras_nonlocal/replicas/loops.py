"""The functions that `fit` and `evaluate` call for each execution on replicas.

Keras 3.15 runs a step under `Strategy.run` and reduces its logs along an axis, which
fails for the scalars of several workers. Here, the loop does not use the results of
steps. It reads metrics outside of the replicas, where `tf.distribute` sums their
variables.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_nonlocal.replicas import compiling, steps, updates
from keras_nonlocal.replicas.sharding import split_batch

Logs = Any
StepFunction = Callable[[Any], Logs]


def train_function(model: keras.Model) -> Callable[[Any], Logs]:
    """Returns a function that runs `steps_per_execution` training steps."""
    if compiling.accumulation_steps(model.optimizer):
        return _accumulating_train_function(model)
    return step_function(model, model.train_step)


def step_function(model: keras.Model, step: StepFunction) -> Callable[[Any], Logs]:
    """Returns a function that runs a step `steps_per_execution` times on replicas."""
    strategy = model.distribute_strategy

    def one_step(data: Any) -> Logs:
        return _global_logs(model, strategy.run(step, args=(data,)))

    def many_steps(iterator: Any) -> Logs:
        logs = one_step(iterator.get_next())
        if model.steps_per_execution == 1:
            return logs

        def more(done: tf.Tensor, data: Any, logs: Logs) -> tf.Tensor:
            return tf.logical_and(done < model.steps_per_execution, data.has_value())

        def body(done: tf.Tensor, data: Any, logs: Logs) -> Any:
            logs = one_step(data.get_value())
            data = tf.cond(
                done + 1 < model.steps_per_execution,
                iterator.get_next_as_optional,
                lambda: data,
            )
            return done + 1, data, logs

        first = iterator.get_next_as_optional()
        return tf.while_loop(more, body, (tf.constant(1), first, logs))[-1]

    if not model.run_eagerly:
        one_step = tf.function(one_step, reduce_retracing=True, autograph=False)
        many_steps = tf.function(many_steps, reduce_retracing=True, autograph=False)

    def function(iterator: Any) -> Logs:
        if _is_dataset_iterator(iterator):
            return many_steps(iterator)
        return one_step(split_batch(strategy, next(iterator)))

    return function


def _accumulating_train_function(model: keras.Model) -> Callable[[Any], Logs]:
    """Returns a train function that updates eagerly; see `check_optimizer`."""
    strategy = model.distribute_strategy

    def gradients_of(data: Any) -> Any:
        return strategy.run(steps.train_on_replica, args=(model, data))

    def update(gradients: Any) -> None:
        strategy.run(updates.apply_gradients, args=(model, gradients))

    if not model.run_eagerly:
        gradients_of = tf.function(gradients_of, reduce_retracing=True, autograph=False)

    def function(iterator: Any) -> Logs:
        from_dataset = _is_dataset_iterator(iterator)
        for step in range(model.steps_per_execution if from_dataset else 1):
            try:
                data = next(iterator)
            except (StopIteration, tf.errors.OutOfRangeError):
                if step == 0:
                    raise
                break
            update(gradients_of(data if from_dataset else split_batch(strategy, data)))
        return model.get_metrics_result()

    return function


def _is_dataset_iterator(iterator: Any) -> bool:
    return isinstance(iterator, (tf.data.Iterator, tf.distribute.DistributedIterator))


def _global_logs(model: keras.Model, logs: Logs) -> Logs:
    """Returns the logs of a step over all replicas.

    The results of metrics are read outside of the replicas. Other logs, which an
    overridden `train_step` returns, are averaged.
    """
    results = model.get_metrics_result()
    if isinstance(logs, dict) and logs.keys() == results.keys():
        return results
    strategy = model.distribute_strategy
    return keras.tree.map_structure(
        lambda value: strategy.reduce("MEAN", value, axis=None), logs
    )
