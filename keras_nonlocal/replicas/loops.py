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

    def first_step(iterator: Any) -> Logs:
        """Runs a step, or ends the iteration if no replica has another batch."""
        if not _may_end(iterator):
            return called_step(iterator.get_next())
        # At the end, `get_next` fails, but not before parts of the step that need no
        # batch have run, such as the count of the updates.
        batch = iterator.get_next_as_optional()
        traced: list[Logs] = []

        def run() -> Logs:
            traced.append(one_step(batch.get_value()))
            return traced[0]

        def end() -> Logs:
            nothing = iterator.get_next()
            # Not reached, but both branches need the same outputs.
            with tf.control_dependencies(tf.nest.flatten(nothing)[:1]):
                return tf.nest.map_structure(
                    lambda value: tf.zeros(value.shape, value.dtype), traced[0]
                )

        return tf.cond(batch.has_value(), run, end)

    def many_steps(iterator: Any) -> Logs:
        logs = first_step(iterator)
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

    called_step = one_step
    if not model.run_eagerly:
        # Not in loops and conditions, where collectives of functions find no keys.
        called_step = tf.function(one_step, reduce_retracing=True, autograph=False)
        many_steps = tf.function(many_steps, reduce_retracing=True, autograph=False)

    def function(iterator: Any) -> Logs:
        if _is_dataset_iterator(iterator):
            return many_steps(iterator)
        return called_step(split_batch(strategy, next(iterator)))

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


def _may_end(iterator: Any) -> bool:
    """Whether only reading a batch tells if there is another one.

    If Keras knows their number, it reads no more. TensorFlow has no public name for the
    number of an iterator.
    """
    if not isinstance(iterator, tf.distribute.DistributedIterator):
        return False
    unknown = tf.data.UNKNOWN_CARDINALITY
    return bool(getattr(iterator, "_cardinality", unknown) == unknown)


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
