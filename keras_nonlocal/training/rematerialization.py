"""Rematerialization: recomputes activations for the gradients to save memory."""

from collections.abc import Sequence

import keras

from keras_nonlocal.layer_names import read_block_layer
from keras_nonlocal.layers.rematerialized_segment import RematerializedSegment
from keras_nonlocal.models.clip_model import clip_info
from keras_nonlocal.replicas.model import ReplicatedModel
from keras_nonlocal.replicas.sublayers import all_layers, updates_statistics
from keras_nonlocal.tensors import Tensor
from keras_nonlocal.training.strategies import scope_of


def rematerialized(
    model: keras.Model, boundaries: Sequence[str] | None = None
) -> ReplicatedModel:
    """Returns the same network, which trains with less memory in more time.

    Before the last boundary, only the activations at the boundaries are kept for the
    gradients. The others are recomputed segment by segment, which adds about a third of
    the arithmetic. The layers and weights are shared with `model`: train the returned
    model, and use `model` for inference and saving.

    A segment runs twice, so its layers must not change their state or draw random
    numbers. Build the network with `normalization="frozen_batch"`, or freeze its
    normalizations with `freeze_batch_norm`.

    Args:
        model: A functional model with one input and one output.
        boundaries: Names of layers, in order. All later layers must depend on the
            boundary's output alone. Defaults to the last layer of each residual block
            of the networks of this package.

    Returns:
        A model with the same inputs, outputs and weights, which is not compiled.

    Raises:
        ValueError: If `boundaries` do not split the model, or a layer in a segment
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
            "`boundaries` must name at least one layer if the model is not a network "
            f"of this package. Received: boundaries={boundaries!r}"
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
        new = ReplicatedModel(inputs, outputs, name=f"{model.name}_rematerialized")
    new.clip_info = clip_info(model)
    return new


def _block_ends(model: keras.Model) -> list[str]:
    """Returns the last layer of each residual block, including its non-local block."""
    ends: dict[tuple[int, int], str] = {}
    for layer in model.layers:
        part = read_block_layer(layer.name)
        if part is not None and part.ends_block:
            ends[part.stage, part.block] = layer.name
    return list(ends.values())


def _part(start: Tensor, end: Tensor, boundary: str) -> keras.Model:
    try:
        return keras.Model(start, end)
    except ValueError as error:
        raise ValueError(
            "`boundaries` must be layers, in order, such that all that follows depends "
            f"on their outputs alone. Received: {boundary!r}"
        ) from error


def _check_stateless(segment: keras.Model) -> None:
    for layer in all_layers(segment):
        updates = isinstance(
            layer, keras.layers.BatchNormalization
        ) and updates_statistics(layer)
        if updates or hasattr(layer, "seed_generator"):
            raise ValueError(
                "A segment must not update statistics or draw random numbers, because "
                "it runs twice. Use `freeze_batch_norm` or another boundary. "
                f"Received: layer={layer.name!r}"
            )
