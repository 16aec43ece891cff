"""Reads and assigns a model's variables, on one device or on a strategy's replicas."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_nonlocal.training.strategies import is_chief, num_local_replicas

# The values of the replicas of this process, by the place of the metric's variable.
MetricValues = list[list[np.ndarray]]


def sections(model: keras.Model) -> dict[str, list[keras.Variable]]:
    """Returns the variables of the model, its optimizer and its metrics."""
    return {
        "model": [*model.variables],
        "optimizer": [*model.optimizer.variables],
        "metrics": [*model.metrics_variables],
    }


def is_learning_rate(section: str, name: str) -> bool:
    """Whether a variable is a learning rate, which may change between calls."""
    return section == "optimizer" and name in ("learning_rate", "rate")


def learning_rates(model: keras.Model) -> list[float]:
    """Returns the optimizer's learning rates; empty if it uses a schedule."""
    return [
        float(keras.ops.convert_to_numpy(variable.value))
        for variable in model.optimizer.variables
        if is_learning_rate("optimizer", variable.name)
    ]


def assign_learning_rates(model: keras.Model, rates: Sequence[float]) -> None:
    """Sets the values that `learning_rates` returns."""
    variables = [
        variable
        for variable in model.optimizer.variables
        if is_learning_rate("optimizer", variable.name)
    ]
    for variable, rate in zip(variables, rates, strict=True):
        variable.assign(rate)


def metric_values(model: keras.Model) -> MetricValues:
    """Returns the values of the metrics' variables on the replicas of this process.

    All workers of a strategy must call this function, because the first replica of each
    receives the sums over all workers.
    """
    variables = model.metrics_variables
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None or not _has_other_workers(strategy):
        return [_all_values(model, variable) for variable in variables]
    values = []
    for total in _totals(strategy, variables):
        others = num_local_replicas(strategy) - 1
        values.append([total, *[np.zeros_like(total)] * others])
    return values


def has_finite_loss(model: keras.Model, values: MetricValues) -> bool:
    """Whether the mean loss since the metrics were last reset is finite.

    Args:
        model: The model.
        values: The result of `metric_values`.
    """
    of_loss = {
        id(variable)
        for metric in model.metrics
        if metric.name == "loss"
        for variable in metric.variables
    }
    return all(
        np.isfinite(value).all()
        for variable, copies in zip(model.metrics_variables, values, strict=True)
        if id(variable) in of_loss
        for value in copies
    )


def has_finite_weights(model: keras.Model) -> bool:
    """Whether no trainable variable contains infinity or NaN."""
    # The replicas of this process suffice, so workers need not communicate.
    return all(
        np.isfinite(value).all()
        for variable in model.trainable_variables
        for value in replica_values(model, variable)
    )


def replica_values(model: keras.Model, variable: keras.Variable) -> list[np.ndarray]:
    """Returns the value on each replica of this process, or one if all are equal."""
    values = _all_values(model, variable)
    if all(value.tobytes() == values[0].tobytes() for value in values):
        return values[:1]
    return values


def assign(
    model: keras.Model,
    variable: keras.Variable,
    values: Sequence[np.ndarray],
    adds_up: bool,
) -> None:
    """Assigns the result of `replica_values` to the current replicas.

    Args:
        model: The model, or the owner of the optimizer.
        variable: The variable.
        values: One value for all replicas, or one for each.
        adds_up: Whether the values represent their sum and not their mean. Of several
            workers, the one that saves receives them, and the others receive zeros.
    """
    replicas = _replicas(model, variable)
    if replicas is None:
        variable.assign(_merged(values, adds_up))
        return
    strategy = model.distribute_strategy
    if adds_up and _has_other_workers(strategy) and not is_chief(strategy):
        values = [np.zeros_like(values[0])]
    if len(values) != len(replicas):
        merged = _merged(values, adds_up)
        others = np.zeros_like(merged) if adds_up else merged
        values = [merged, *[others] * (len(replicas) - 1)]
    for replica, value in zip(replicas, values, strict=True):
        replica.assign(value)


def _all_values(model: keras.Model, variable: keras.Variable) -> list[np.ndarray]:
    replicas = _replicas(model, variable)
    if replicas is None:
        return [np.array(keras.ops.convert_to_numpy(variable.value))]
    return [np.array(replica.numpy()) for replica in replicas]


def _replicas(model: keras.Model, variable: keras.Variable) -> tuple[Any, ...] | None:
    """Returns the variable's copies in this process, or `None` without a strategy.

    Keras does not synchronize the moving statistics of batch normalization or the sums
    of metrics, so their copies differ.
    """
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None:
        return None
    return strategy.experimental_local_results(variable.value)


def _has_other_workers(strategy: Any) -> bool:
    """Whether a `tf.distribute` strategy has replicas in other processes."""
    return bool(strategy.num_replicas_in_sync > num_local_replicas(strategy))


def _totals(strategy: Any, variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    """Returns the sums of variables over the replicas of all workers."""
    if not variables:
        return []
    import tensorflow as tf

    def values() -> list[Any]:
        return [tf.identity(variable.value) for variable in variables]

    def summed() -> list[Any]:
        return [
            strategy.reduce("SUM", value, axis=None) for value in strategy.run(values)
        ]

    # A call of the function itself would warn that there is one for each call.
    traced = tf.function(summed).get_concrete_function()
    return [total.numpy() for total in traced()]


def _merged(values: Sequence[np.ndarray], adds_up: bool) -> np.ndarray:
    """Merges the different values of replicas into one."""
    if len(values) == 1:
        return values[0]
    total = np.sum([value.astype(np.float64) for value in values], axis=0)
    return (total if adds_up else total / len(values)).astype(values[0].dtype)
