"""Finds the layers inside layers."""

from collections.abc import Iterator
from typing import Any

import keras


def all_layers(root: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yields `root` and every layer it is made of, however deep, once each.

    Keras names the layers of a model in public (`model.layers`), those that a layer
    holds as attributes it does not; attributes are where layers keep them.
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
    """All batch normalisations of a layer or model, also inside other layers."""
    return [
        layer
        for layer in all_layers(root)
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


def _layers_in(value: Any) -> list[keras.layers.Layer]:
    if isinstance(value, keras.layers.Layer):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return []
    return [item for item in value if isinstance(item, keras.layers.Layer)]
