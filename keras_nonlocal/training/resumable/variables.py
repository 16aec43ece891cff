"""Reads and assigns a model's variables, on one device or on a strategy's replicas."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np


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


def has_finite_loss(model: keras.Model) -> bool:
    """Whether the mean loss since the metrics were last reset is finite."""
    return all(
        _is_finite(model, variable)
        for metric in model.metrics
        if metric.name == "loss"
        for variable in metric.variables
    )


def has_finite_weights(model: keras.Model) -> bool:
    """Whether no trainable variable contains infinity or NaN."""
    return all(_is_finite(model, variable) for variable in model.trainable_variables)


def replica_values(model: keras.Model, variable: keras.Variable) -> list[np.ndarray]:
    """Returns the value on each replica of this process, or one if all are equal."""
    replicas = _replicas(model, variable)
    if replicas is None:
        return [np.array(keras.ops.convert_to_numpy(variable.value))]
    values = [np.array(replica.numpy()) for replica in replicas]
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
        adds_up: Whether several values represent their sum instead of their mean.
    """
    replicas = _replicas(model, variable)
    if replicas is None:
        variable.assign(_merged(values, adds_up))
        return
    if len(values) != len(replicas):
        merged = _merged(values, adds_up)
        others = np.zeros_like(merged) if adds_up and len(values) > 1 else merged
        values = [merged, *[others] * (len(replicas) - 1)]
    for replica, value in zip(replicas, values, strict=True):
        replica.assign(value)


def _replicas(model: keras.Model, variable: keras.Variable) -> tuple[Any, ...] | None:
    """Returns the variable's copies in this process, or `None` without a strategy.

    Keras does not synchronize the moving statistics of batch normalization or the sums
    of metrics, so their copies differ.
    """
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None:
        return None
    return strategy.experimental_local_results(variable.value)


def _is_finite(model: keras.Model, variable: keras.Variable) -> bool:
    # The replicas of this process suffice, so workers need not communicate.
    return all(np.isfinite(value).all() for value in replica_values(model, variable))


def _merged(values: Sequence[np.ndarray], adds_up: bool) -> np.ndarray:
    """Merges the different values of replicas into one."""
    if len(values) == 1:
        return values[0]
    total = np.sum([value.astype(np.float64) for value in values], axis=0)
    return (total if adds_up else total / len(values)).astype(values[0].dtype)
