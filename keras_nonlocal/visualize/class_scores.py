"""The part of a model that follows one of its layers, before the last softmax."""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import keras


@dataclass(frozen=True)
class _Head:
    """From the features of a layer to scores.

    Args:
        scores: Shares the layers of the user's model, except `linear`.
        classifier: The last `Dense` layer of the user's model, if it has one.
        config: What `classifier` was configured as when `linear` was made of it.
        linear: `classifier` without its activation, with weights of its own.
    """

    scores: keras.Model
    classifier: keras.layers.Layer | None = None
    config: dict[str, Any] | None = None
    linear: keras.layers.Layer | None = None

    def is_current(self) -> bool:
        """Whether the classifier still has the configuration that it had."""
        return self.classifier is None or self.classifier.get_config() == self.config


# A head adds calls to the layers it shares; Keras keeps them as long as the layer.
_HEADS: WeakKeyDictionary[keras.Model, dict[str, _Head]] = WeakKeyDictionary()


def scores_after(model: keras.Model, layer: keras.layers.Layer) -> keras.Model:
    """Returns the model from the features of a layer to scores before their softmax.

    The last `Dense` layer has the weights that it has in `model` at the time of the
    call, and no activation.

    Raises:
        ValueError: If a shortcut passes by the layer.
    """
    heads = _HEADS.setdefault(model, {})
    if layer.name not in heads or not heads[layer.name].is_current():
        heads[layer.name] = _new_head(model, layer)
    head = heads[layer.name]
    if head.linear is not None and head.classifier is not None:
        head.linear.set_weights(head.classifier.get_weights())
    return head.scores


def _new_head(model: keras.Model, layer: keras.layers.Layer) -> _Head:
    try:
        scores = keras.Model(layer.output, model.outputs[0])
    except ValueError:
        raise ValueError(
            "`layer_name` must name a layer that no shortcut passes by. "
            f"Received: layer_name={layer.name!r}"
        ) from None
    classifiers = [
        part for part in scores.layers if isinstance(part, keras.layers.Dense)
    ]
    if not classifiers:
        return _Head(scores)
    last = classifiers[-1]
    config = last.get_config()
    linear = type(last).from_config({**config, "activation": "linear"})

    def call(called: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        return (linear if called is last else called)(*args, **kwargs)

    scores = keras.models.clone_model(
        scores, call_function=call, clone_function=lambda shared: shared
    )
    return _Head(scores, last, config, linear)
