"""Activations computed a second time for the gradients, to save their memory."""

import re
from collections.abc import Sequence
from typing import Any

import keras

from keras_nonlocal.layers import FrozenBatchNormalization, NonLocalBlock
from keras_nonlocal.layers.rematerialized_segment import RematerializedSegment
from keras_nonlocal.replicas import ReplicatedModel
from keras_nonlocal.replicas.sublayers import all_layers
from keras_nonlocal.training.strategies import scope_of

_BLOCK_END = re.compile(r"conv\d+_block\d+_(out|nl)")


def rematerialized(
    model: keras.Model, boundaries: Sequence[str] | None = None
) -> ReplicatedModel:
    """The same network, training in less memory and more time.

    Of the activations before the last boundary, only those at the boundaries are kept
    for the gradients; the others are computed once more, segment by segment: about a
    third more arithmetic. The layers and weights are those of `model`: train what this
    function returns, and score with or save `model`.

    What happens in a segment happens twice, so nothing in it may change a state or
    draw random numbers: build the network with `normalization="frozen_batch"`, or
    freeze its norms with `freeze_batch_norm`, as for long clips.

    Args:
        model: A functional model of one input and one output.
        boundaries: Names of layers, in order, whose output alone what follows depends
            on. Defaults to the last layer of each residual block of the networks of
            this package.

    Returns:
        A model of the same inputs and outputs on the same weights, not compiled.

    Raises:
        ValueError: If `boundaries` do not divide the model, or a layer in a segment
            updates statistics or draws random numbers.

    Example:

    >>> model = keras_nonlocal.NLResNet50C2D(
    ...     normalization="frozen_batch", input_shape=(4, 32, 32, 3), width=4)
    >>> trained = keras_nonlocal.training.rematerialized(model)
    >>> len(trained.trainable_variables) == len(model.trainable_variables)
    True

    References:
        [Training Deep Nets with Sublinear Memory Cost](
        https://arxiv.org/abs/1604.06174), section 3.
    """
    names = _block_ends(model) if boundaries is None else list(boundaries)
    if not names:
        raise ValueError(
            "`boundaries` must name at least one layer of a model that is not a "
            f"network of this package. Received: boundaries={boundaries!r}"
        )
    inputs = keras.Input(batch_shape=model.input.shape, dtype=model.input.dtype)
    x, start = inputs, model.input
    for name in names:
        end = model.get_layer(name).output
        segment = _part(start, end, name)
        _check_stateless(segment)
        x = RematerializedSegment(segment, name=f"{name}_segment")(x)
        start = end
    outputs = _part(start, model.output, names[-1])(x)
    with scope_of(model):
        return ReplicatedModel(inputs, outputs, name=f"{model.name}_rematerialized")


def _block_ends(model: keras.Model) -> list[str]:
    """The last layer of each residual block, its non-local block included."""
    ends: dict[str, str] = {}
    for layer in model.layers:
        if _BLOCK_END.fullmatch(layer.name):
            ends[layer.name.rpartition("_")[0]] = layer.name
    return list(ends.values())


def _part(start: Any, end: Any, boundary: str) -> keras.Model:
    try:
        return keras.Model(start, end)
    except ValueError as error:
        raise ValueError(
            "`boundaries` must be layers whose output alone what follows depends on, "
            f"in order. Received: {boundary!r}"
        ) from error


def _check_stateless(segment: keras.Model) -> None:
    frozen_norms = {
        id(layer.norm)
        for layer in all_layers(segment)
        if isinstance(layer, NonLocalBlock) and layer.normalization == "frozen_batch"
    }
    for layer in all_layers(segment):
        updates = (
            isinstance(layer, keras.layers.BatchNormalization)
            and not isinstance(layer, FrozenBatchNormalization)
            and layer.trainable
            and id(layer) not in frozen_norms
        )
        if updates or hasattr(layer, "seed_generator"):
            raise ValueError(
                "A segment must not update statistics or draw random numbers, since it "
                "runs twice: use `freeze_batch_norm`, or another boundary. "
                f"Received: layer={layer.name!r}"
            )
