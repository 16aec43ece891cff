"""Finds the layers inside other layers."""

from collections.abc import Iterator
from typing import Any

import keras

from keras_nonlocal.layers import FrozenBatchNormalization


def all_layers(root: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yields `root` and every layer inside it, at any depth, once each.

    Keras has a public attribute for the layers of a model, `model.layers`, but not for
    those of a layer, which are found among its attributes.
    """
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        layer = waiting.pop()
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        yield layer
        if isinstance(layer, keras.Model):
            waiting.extend(layer.layers)
        for value in list(vars(layer).values()):
            waiting.extend(_layers_in(value))


def batch_norms(root: keras.layers.Layer) -> list[keras.layers.BatchNormalization]:
    """Returns all batch normalizations of a layer or model, at any depth."""
    return [
        layer
        for layer in all_layers(root)
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


def updates_statistics(norm: keras.layers.BatchNormalization) -> bool:
    """Whether the moving statistics of a batch normalization change in training."""
    return norm.trainable and not isinstance(norm, FrozenBatchNormalization)


def seed_states(model: keras.Model) -> list[keras.Variable]:
    """Returns the states of the seed generators of a model's layers.

    Of a model's variables, they are those that are no weights.
    """
    weights = {id(weight) for weight in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


def _layers_in(value: Any) -> list[keras.layers.Layer]:
    if isinstance(value, keras.layers.Layer):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return []
    return [item for item in value if isinstance(item, keras.layers.Layer)]
