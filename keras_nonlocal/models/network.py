"""Assembles a functional model from a specification."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_nonlocal.architectures import NetworkSpec
from keras_nonlocal.layers import NonLocalBlock
from keras_nonlocal.models.blocks import NORMALIZATIONS, residual_stages
from keras_nonlocal.models.head import Activation, classifier, pooled_features
from keras_nonlocal.models.inputs import network_input
from keras_nonlocal.models.preprocessing import preprocessing_layer
from keras_nonlocal.replicas import ReplicatedModel
from keras_nonlocal.weights import PixelNormalization


def build_network(
    spec: NetworkSpec,
    *,
    include_top: bool,
    input_tensor: Any,
    input_shape: tuple[int | None, ...] | None,
    num_frames: int | None,
    pooling: str | None,
    classes: int,
    classifier_activation: Activation,
    name: str | None,
    nonlocal_options: Mapping[str, Any],
    temporal_group_size: int | Mapping[str, int] | None,
    dropout_rate: float,
    kernel_regularizer: Any,
    score_window: Sequence[int | None] | None,
    normalization: str,
    pixel_normalization: PixelNormalization | None,
) -> ReplicatedModel:
    """Builds the functional model of `spec`; see `NLResNet` for the arguments.

    `num_frames` is the usual length of a clip, `None` that of the layout.
    """
    if normalization not in NORMALIZATIONS:
        raise ValueError(
            f"`normalization` must be one of {tuple(NORMALIZATIONS)}. "
            f"Received: normalization={normalization!r}"
        )
    inputs = network_input(spec, input_tensor, input_shape, include_top, num_frames)

    def nonlocal_block(stage: str, layer_name: str) -> NonLocalBlock:
        group_size = temporal_group_size
        if isinstance(group_size, Mapping):
            group_size = group_size.get(stage)
        return NonLocalBlock(
            temporal_group_size=group_size,
            kernel_regularizer=kernel_regularizer,
            normalization=normalization,
            name=layer_name,
            **nonlocal_options,
        )

    x = inputs
    if pixel_normalization is not None:
        x = preprocessing_layer(pixel_normalization)(x)
    x = residual_stages(x, spec, nonlocal_block, kernel_regularizer, normalization)[
        "res5"
    ]
    if include_top:
        x = classifier(
            x,
            classes,
            classifier_activation,
            dropout_rate,
            kernel_regularizer,
            score_window,
        )
    else:
        x = pooled_features(x, pooling)
    if input_tensor is not None:
        inputs = keras.utils.get_source_inputs(input_tensor)
    return ReplicatedModel(inputs, x, name=name or _default_name(spec))


def count_nonlocal_blocks(spec: NetworkSpec) -> int:
    """Number of non-local blocks in a network."""
    return sum(
        block.nonlocal_name is not None
        for stage in spec.stages
        for block in stage.blocks
    )


def _default_name(spec: NetworkSpec) -> str:
    blocks = count_nonlocal_blocks(spec)
    prefix = f"nl{blocks}_" if blocks else ""
    return f"{prefix}resnet{spec.depth}_{spec.variant}"
