"""Small networks for signals and images, with something between two halves.

What is in between relates distant positions, or is meant to. The first half sees one
recording or digit at a time, and the second half averages over all positions.
"""

import dataclasses
import math
from collections.abc import Callable

import keras
import numpy as np
from keras import layers

from keras_nonlocal.experiments.digit_pairs import DigitPairTask
from keras_nonlocal.experiments.rank_trainings import RankTask, RankTraining
from keras_nonlocal.experiments.trainings import KERNEL_INITIALIZER
from keras_nonlocal.layer_names import PREDICTIONS
from keras_nonlocal.layers import NonLocalBlock
from keras_nonlocal.layers.block_arguments import Mode
from keras_nonlocal.models import Complexity, count_complexity
from keras_nonlocal.tensors import Tensor

CHANNELS = 32
# The width of the blocks and of everything in their place.
WIDTH = CHANNELS // 2
BETWEEN = "between"
_FIRST_HALF = "first_half"
_SECOND_HALF = "second_half"
# Kernel size and stride of the convolutions of the first half.
_FIRST_HALVES = {
    "sequences": ((5, 1), (5, 2)),
    "images": ((5, 2), (3, 2)),
    "appliances": ((7, 2), (5, 2), (5, 2)),
}
# The convolution that costs about as much as a block.
_KERNELS = {1: 7, 2: 3}


def rank_network_of(training: RankTraining, seed: int) -> keras.Model:
    """Builds a network with initial values that depend on the seed.

    Both halves of all networks of a table have the same initial values, and whatever is
    in between starts as the identity.
    """
    keras.utils.set_random_seed(seed)
    task, initializers = training.task, _Initializers(seed)
    inputs = keras.Input(task.input_shape)
    x = _first_half(task, inputs, initializers)
    x = _BETWEEN[training.block](x, initializers)
    x = _hidden(x, initializers(_SECOND_HALF))
    x = _average(x)
    if training.block == "hidden":
        x = _hidden(x, initializers(BETWEEN))
    return keras.Model(inputs, _classifier(x, task.classes, initializers))


def single_network_of(task: DigitPairTask, seed: int) -> keras.Model:
    """Builds the network that learns single digits with the same first half."""
    keras.utils.set_random_seed(seed)
    initializers = _Initializers(seed)
    inputs = keras.Input(task.input_shape)
    x = _average(_first_half(task, inputs, initializers))
    return keras.Model(inputs, _classifier(x, task.digits, initializers))


def copy_first_half(source: keras.Model, target: keras.Model) -> None:
    """Copies the values of the convolutions before what is in between."""
    for layer in source.layers:
        if layer.name.startswith(_FIRST_HALF):
            target.get_layer(layer.name).set_weights(layer.get_weights())


def rank_complexity_of(model: keras.Model) -> Complexity:
    """Counts the parameters and multiply-adds, also of `MultiHeadAttention`."""
    counts = count_complexity(model)
    added = sum(
        _attention_multiply_adds(layer)
        for layer in model.layers
        if isinstance(layer, layers.MultiHeadAttention)
    )
    return dataclasses.replace(counts, multiply_adds=counts.multiply_adds + added)


def _first_half(task: RankTask, x: Tensor, initializers: "_Initializers") -> Tensor:
    for number, (size, stride) in enumerate(_FIRST_HALVES[task.kind], start=1):
        x = _convolution_like(x)(
            CHANNELS,
            size,
            stride,
            padding="same",
            activation="relu",
            kernel_initializer=initializers(_FIRST_HALF),
            name=f"{_FIRST_HALF}_{number}",
        )(x)
    return x


def _hidden(x: Tensor, initializer: keras.initializers.Initializer) -> Tensor:
    dense = layers.Dense(CHANNELS, activation="relu", kernel_initializer=initializer)
    return dense(x)


def _average(x: Tensor) -> Tensor:
    pooling = (layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D)
    return pooling[len(x.shape) - 3]()(x)


def _classifier(x: Tensor, classes: int, initializers: "_Initializers") -> Tensor:
    return layers.Dense(
        classes,
        activation="softmax",
        kernel_initializer=initializers(_SECOND_HALF, "glorot_uniform"),
        name=PREDICTIONS,
    )(x)


def _convolution_like(x: Tensor) -> type[keras.layers.Layer]:
    return (layers.Conv1D, layers.Conv2D)[len(x.shape) - 3]


class _Initializers:
    """Initializers with seeds that depend on a seed, a part and a number."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._counts: dict[str, int] = {}

    def __call__(
        self, part: str, name: str = KERNEL_INITIALIZER
    ) -> keras.initializers.Initializer:
        number = self._counts.setdefault(part, 0)
        self._counts[part] += 1
        entropy = np.random.SeedSequence([self._seed, *part.encode(), number])
        initializer = keras.initializers.get(name)
        config = initializer.get_config()
        config["seed"] = int(entropy.generate_state(1)[0] >> 1)
        return type(initializer).from_config(config)


_Between = Callable[[Tensor, _Initializers], Tensor]


def _nothing(x: Tensor, initializers: _Initializers) -> Tensor:
    return x


def _block(mode: Mode) -> _Between:
    def between(x: Tensor, initializers: _Initializers) -> Tensor:
        return NonLocalBlock(
            WIDTH,
            mode=mode,
            kernel_initializer=initializers(BETWEEN),
            name=BETWEEN,
        )(x)

    return between


def _convolution(x: Tensor, initializers: _Initializers) -> Tensor:
    y = _convolution_like(x)(
        WIDTH,
        _KERNELS[len(x.shape) - 2],
        padding="same",
        activation="relu",
        kernel_initializer=initializers(BETWEEN),
        name=BETWEEN,
    )(x)
    return _added(
        x, layers.Dense(CHANNELS, kernel_initializer=initializers(BETWEEN))(y)
    )


def _attention(x: Tensor, initializers: _Initializers) -> Tensor:
    attention = layers.MultiHeadAttention(
        num_heads=1,
        key_dim=WIDTH,
        # Its copies of an initializer with a seed would all give the same values.
        kernel_initializer=KERNEL_INITIALIZER,
        name=BETWEEN,
    )
    flat = layers.Reshape((-1, CHANNELS))(x)
    y = attention(flat, flat)
    return _added(x, layers.Reshape(x.shape[1:])(y))


def _added(x: Tensor, y: Tensor) -> Tensor:
    """Adds what a normalization lets through, at first nothing, as in a block."""
    norm = layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, gamma_initializer="zeros"
    )
    return layers.Add()([x, norm(y)])


_BETWEEN: dict[str, _Between] = {
    "none": _nothing,
    "hidden": _nothing,
    "gaussian": _block("gaussian"),
    "embedded_gaussian": _block("embedded_gaussian"),
    "dot_product": _block("dot_product"),
    "concatenation": _block("concatenation"),
    "convolution": _convolution,
    "attention": _attention,
}


def _attention_multiply_adds(layer: keras.layers.MultiHeadAttention) -> int:
    """Multiply-adds of the four projections and both products of positions."""
    positions = math.prod(layer.output.shape[1:-1])
    projections = 4 * positions * CHANNELS * WIDTH
    return projections + 2 * positions**2 * WIDTH
