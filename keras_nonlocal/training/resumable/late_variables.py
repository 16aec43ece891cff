"""Creates variables that a checkpoint needs earlier than `fit` creates them."""

from typing import Any

import keras
import numpy as np

from keras_nonlocal.training.strategies import scope_of


def build_optimizer(model: keras.Model) -> None:
    """Creates the variables of the optimizer under the model's strategy."""
    if model.optimizer.built:
        return
    with scope_of(model):
        model.optimizer.build(model.trainable_variables)


def build_metrics(model: keras.Model, clips: Any) -> None:
    """Creates the variables of the metrics, which `fit` may leave to its first step."""
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is not None and strategy.num_replicas_in_sync > 1:
        return  # `fit` has already created them there
    if all(getattr(metric, "built", True) for metric in model.metrics):
        return  # a detector builds its own; its data are dictionaries
    clip_spec, label_spec = clips.element_spec[:2]
    labels = np.zeros((1, *label_spec.shape[1:]), label_spec.dtype.as_numpy_dtype)
    clip = keras.KerasTensor((1, *clip_spec.shape[1:]), clip_spec.dtype.name)
    scores = keras.tree.map_structure(
        lambda spec: keras.ops.zeros(spec.shape, spec.dtype),
        model.compute_output_spec(clip),
    )
    model.compute_metrics(None, keras.ops.convert_to_tensor(labels), scores)
    model.reset_metrics()
