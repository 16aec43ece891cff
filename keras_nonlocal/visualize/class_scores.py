"""A model's scores, and the part after one of its layers that computes them."""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np

from keras_nonlocal.models.output_activation import activation_name
from keras_nonlocal.models.predictions import both_scores
from keras_nonlocal.tensors import Tensor


def class_scores(model: keras.Model, clip: Tensor) -> np.ndarray:
    """Returns the score of each class, `(classes,)`, for a batch of one.

    One sigmoid unit decides between two classes.
    """
    return scores_of_outputs(model, model(clip, training=False))[0]


def scores_of_outputs(model: keras.Model, outputs: Tensor) -> tuple[np.ndarray, bool]:
    """Returns the score of each class, and whether one sigmoid unit has both.

    Args:
        model: The model.
        outputs: Its outputs for a batch of one.
    """
    scores = keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32"))[0]
    if len(scores) == 1 and activation_name(model) == "sigmoid":
        return both_scores(scores), True
    return scores, False


@dataclass(frozen=True)
class _Head:
    """Maps the features of a layer to scores.

    Args:
        scores: A model that shares the layers of the user's model, except `linear`.
        classifier: The last `Dense` layer of the user's model, if it has one.
        config: Configuration of `classifier` at the time when `linear` was created.
        linear: A copy of `classifier` without its activation, with its own weights.
    """

    scores: keras.Model
    classifier: keras.layers.Layer | None = None
    config: dict[str, Any] | None = None
    linear: keras.layers.Layer | None = None

    def is_current(self) -> bool:
        """Whether the classifier's configuration has not changed."""
        return self.classifier is None or self.classifier.get_config() == self.config


# A head adds calls to the layers that it shares, and Keras keeps these calls for the
# lifetime of the layers.
_HEADS: WeakKeyDictionary[keras.Model, dict[str, _Head]] = WeakKeyDictionary()


def scores_after(model: keras.Model, layer: keras.layers.Layer) -> keras.Model:
    """Returns a model that maps the features of a layer to scores before the softmax.

    Its last `Dense` layer has the current weights of that layer in `model`, and no
    activation.

    Raises:
        ValueError: If a shortcut bypasses the layer.
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
