"""The networks of training runs at small scale."""

import dataclasses
from typing import Any

import keras
import numpy as np

from keras_nonlocal.experiments.global_context import GlobalContext
from keras_nonlocal.experiments.relation_clips import NUM_STILL_CLASSES
from keras_nonlocal.experiments.trainings import (
    KERNEL_INITIALIZER,
    StillTraining,
    Training,
)
from keras_nonlocal.layer_names import PREDICTIONS
from keras_nonlocal.layers import NonLocalBlock
from keras_nonlocal.layers.initial_values import initializer_of
from keras_nonlocal.models import Complexity, NLResNet, count_complexity
from keras_nonlocal.models.image import image_network
from keras_nonlocal.runs import NetworkSettings
from keras_nonlocal.runs.typed_values import as_json
from keras_nonlocal.tensors import Tensor


def image_network_of(training: StillTraining, seed: int) -> keras.Model:
    """Builds the image network that learns stills."""
    keras.utils.set_random_seed(seed)
    return image_network(
        training.depth,
        input_shape=(training.size, training.size, 3),
        classes=NUM_STILL_CLASSES,
        nonlocal_blocks=0,
        width=training.width,
        include_preprocessing=True,
    )


def clip_network_of(training: Training, seed: int) -> keras.Model:
    """Builds the network for clips with initial values that depend on the seed.

    The kernels of the blocks are drawn from the seed and the number of the block, and
    those of the classifier from the seed alone, so that they do not depend on the row.
    """
    keras.utils.set_random_seed(seed)
    task = training.task
    model = NLResNet(
        input_shape=(task.num_frames, task.size, task.size, 3),
        classes=task.num_outputs,
        classifier_activation="softmax" if task.labels == "class" else "sigmoid",
        dropout_rate=0.0,
        include_preprocessing=True,
        **_builder_arguments(training.network, seed),
    )
    if training.block == "global_context":
        model = _with_global_context(model, seed)
    kernel = model.get_layer(PREDICTIONS).kernel
    values = np.random.default_rng(seed).normal(0, 0.01, kernel.shape)
    kernel.assign(values.astype("float32"))
    return model


def full_network_of(network: NetworkSettings, num_frames: int) -> keras.Model:
    """Builds the network of the paper for clips of 224 × 224 pixels, untrained."""
    return NLResNet(
        input_shape=(num_frames, 224, 224, 3), **_builder_arguments(network, None)
    )


def complexity_of(model: keras.Model) -> Complexity:
    """Counts the parameters and multiply-adds, also of `GlobalContext`."""
    counts = count_complexity(model)
    added = sum(
        layer.multiply_adds
        for layer in model.layers
        if isinstance(layer, GlobalContext)
    )
    return dataclasses.replace(counts, multiply_adds=counts.multiply_adds + added)


def _builder_arguments(network: NetworkSettings, seed: int | None) -> dict[str, Any]:
    arguments = {
        each.name: getattr(network, each.name)
        for each in dataclasses.fields(network)
        if each.name not in ("freeze", "weights")
    }
    if network.nonlocal_mode is None:
        del arguments["nonlocal_mode"]
    if network.nonlocal_options is not None:
        options = as_json(network.nonlocal_options)
        if seed is not None:
            name = options["kernel_initializer"]
            options["kernel_initializer"] = _seeded(name, seed)
        arguments["nonlocal_options"] = options
    return arguments


def _seeded(name: str, seed: int) -> keras.initializers.Initializer:
    initializer = keras.initializers.get(name)
    config = initializer.get_config() | {"seed": seed}
    return type(initializer).from_config(config)


def _with_global_context(model: keras.Model, seed: int) -> keras.Model:
    """Returns the network with a `GlobalContext` in place of each non-local block."""
    initializer = _seeded(KERNEL_INITIALIZER, seed)
    made: list[GlobalContext] = []

    def replaced(layer: keras.layers.Layer) -> keras.layers.Layer:
        if not isinstance(layer, NonLocalBlock):
            return type(layer).from_config(layer.get_config())
        block = GlobalContext(initializer_of(initializer, len(made)), name=layer.name)
        made.append(block)
        return block

    def called(layer: keras.layers.Layer, x: Tensor, **options: object) -> Tensor:
        # A `GlobalContext` has none of the options of a `NonLocalBlock`.
        return layer(x, **({} if isinstance(layer, GlobalContext) else options))

    return keras.models.clone_model(
        model, clone_function=replaced, call_function=called
    )
