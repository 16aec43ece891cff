"""Assembles a functional model from a specification."""

import keras

from keras_nonlocal.architectures import NetworkSpec
from keras_nonlocal.arguments import check_choice
from keras_nonlocal.layers import NonLocalBlock
from keras_nonlocal.models.blocks import NORMALIZATIONS, residual_stages
from keras_nonlocal.models.head import classifier, pooled_features
from keras_nonlocal.models.inputs import network_input
from keras_nonlocal.models.preprocessing import preprocessing_layer
from keras_nonlocal.models.settings import (
    BlockSettings,
    HeadSettings,
    InputSettings,
    LayerSettings,
)
from keras_nonlocal.replicas.model import ReplicatedModel


def build_network(
    spec: NetworkSpec,
    inputs: InputSettings,
    layers: LayerSettings,
    blocks: BlockSettings,
    head: HeadSettings,
    name: str | None,
) -> ReplicatedModel:
    """Builds the functional model of a specification.

    Args:
        spec: The stem and the stages.
        inputs: The input before the stem.
        layers: Settings of all convolutions.
        blocks: Settings of the non-local blocks.
        head: Settings of the layers after the last stage.
        name: Name of the model, or `None` for a name derived from the specification.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument has an invalid value.
    """
    check_choice("normalization", layers.normalization, tuple(NORMALIZATIONS))
    x = source = network_input(spec, inputs, head.include_top)
    made: list[NonLocalBlock] = []

    def nonlocal_block(stage: str, layer_name: str) -> NonLocalBlock:
        made.append(blocks.block(layer_name, stage, len(made), layers))
        return made[-1]

    if inputs.normalization is not None:
        x = preprocessing_layer(inputs.normalization)(x)
    x = residual_stages(
        x, spec, nonlocal_block, layers.kernel_regularizer, layers.normalization
    )["res5"]
    if head.include_top:
        x = classifier(x, head, layers.kernel_regularizer)
    else:
        x = pooled_features(x, head.pooling)
    if inputs.tensor is not None:
        source = keras.utils.get_source_inputs(inputs.tensor)
    return ReplicatedModel(source, x, name=name or _default_name(spec))


def count_nonlocal_blocks(spec: NetworkSpec) -> int:
    """Returns the number of non-local blocks in a network."""
    return sum(
        block.nonlocal_name is not None
        for stage in spec.stages
        for block in stage.blocks
    )


def _default_name(spec: NetworkSpec) -> str:
    blocks = count_nonlocal_blocks(spec)
    prefix = f"nl{blocks}_" if blocks else ""
    return f"{prefix}resnet{spec.depth}_{spec.variant}"
