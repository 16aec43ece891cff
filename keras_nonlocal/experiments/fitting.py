"""The training loop of all small-scale runs."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_nonlocal.experiments.trainings import SmallRecipe

Batch = tuple[np.ndarray, np.ndarray]


@dataclass
class Curve:
    """The curves of a run.

    Args:
        steps: Numbers of steps.
        training_error: The error on the training clips since the previous number.
        validation_error: The error on the validation clips after that number.
    """

    steps: list[int] = field(default_factory=list)
    training_error: list[float] = field(default_factory=list)
    validation_error: list[float] = field(default_factory=list)


def fit(
    model: keras.Model,
    recipe: SmallRecipe,
    batch_of: Callable[[int], Batch],
    validate: Callable[[], float],
    report: Callable[[float], None] | None = None,
) -> Curve:
    """Trains a compiled model.

    Args:
        model: The model, with a metric named "accuracy".
        recipe: The recipe.
        batch_of: Returns inputs and targets of a step.
        validate: Returns the validation error.
        report: Called with the finished fraction after each validation.
    """
    curve = Curve()
    ends = np.linspace(0, recipe.steps, recipe.validations + 1).round()[1:]
    errors: list[float] = []
    for step in range(recipe.steps):
        inputs, targets = batch_of(step)
        model.reset_metrics()
        set_learning_rate(model, recipe, step / recipe.steps)
        logs = model.train_on_batch(inputs, targets, return_dict=True)
        errors.append(1 - float(logs["accuracy"]))
        if step + 1 in ends:
            curve.steps.append(step + 1)
            curve.training_error.append(float(np.mean(errors)))
            errors.clear()
            curve.validation_error.append(validate())
            if report is not None:
                report((step + 1) / recipe.steps)
    return curve


def set_learning_rate(model: keras.Model, recipe: SmallRecipe, part: float) -> None:
    """Sets the learning rate after a part of all steps, along a cosine.

    The weight decay would evaluate a schedule of Keras for every variable.
    """
    cosine = 0.5 * (1 + math.cos(math.pi * part))
    model.optimizer.learning_rate = recipe.learning_rate * cosine


def compile_model(
    model: keras.Model,
    recipe: SmallRecipe,
    loss: str = "sparse_categorical_crossentropy",
    metric: Any = "accuracy",
) -> None:
    """Compiles a model with the optimizer of the recipe."""
    optimizer = keras.optimizers.AdamW(
        recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, loss, metrics=[metric], jit_compile=False)
    optimizer.build(model.trainable_variables)


def restart(compiled: keras.Model, fresh: keras.Model) -> keras.Model:
    """Gives a compiled model the values of another one and a new optimizer state."""
    if compiled is not fresh:
        compiled.set_weights(fresh.get_weights())
    for variable in compiled.optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))
    compiled.reset_metrics()
    return compiled
