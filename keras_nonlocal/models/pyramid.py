"""The features of a network for a feature pyramid."""

import keras

from keras_nonlocal.architectures import STAGES
from keras_nonlocal.layer_names import read_block_layer
from keras_nonlocal.tensors import Tensor


def pyramid_outputs(model: keras.Model) -> dict[str, Tensor]:
    """Returns the features of a network for a feature pyramid.

    Args:
        model: A network of this package, for images or clips, built or loaded.

    Returns:
        A mapping from `"P2"` … `"P5"` to Keras tensors, the outputs of res2 … res5
        before any pooling, `(batch, …, height / 2**level, width / 2**level, channels)`.

    Raises:
        ValueError: If the model is not a network of this package.

    Example:

    >>> backbone = keras_nonlocal.NLResNet50(include_top=False, width=8)
    >>> sorted(keras_nonlocal.models.pyramid_outputs(backbone))
    ['P2', 'P3', 'P4', 'P5']

    References:
        The names are those of KerasHub's `FeaturePyramidBackbone`.
    """
    outputs: dict[str, Tensor] = {}
    for layer in model.layers:
        part = read_block_layer(layer.name)
        if part is not None and part.ends_block:
            # Layers are in order, so the last layer of each stage is kept.
            outputs[f"P{part.stage}"] = layer.output
    if len(outputs) != len(STAGES):
        raise ValueError(
            "`model` must be a network of this package, with layers named as "
            f"`conv2_block1_out`. Received: model={model.name!r}"
        )
    return outputs
