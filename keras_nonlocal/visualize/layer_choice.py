"""Selection of the layer to visualize."""

import keras

from keras_nonlocal.layers import NonLocalBlock


def find_block(model: keras.Model, layer_name: str | None) -> NonLocalBlock:
    """Returns the non-local block of clips with a name, or the last one.

    Raises:
        ValueError: If the model has no such block.
    """
    blocks = {
        layer.name: layer
        for layer in model.layers
        if isinstance(layer, NonLocalBlock) and len(layer.input.shape) == 5
    }
    name = next(reversed(blocks), None) if layer_name is None else layer_name
    if name not in blocks:
        raise ValueError(
            "`layer_name` must name a non-local block of the model that sees clips: "
            f"{_listed(blocks)}. Received: layer_name={layer_name!r}"
        )
    return blocks[name]


def find_feature_layer(
    model: keras.Model, layer_name: str | None
) -> keras.layers.Layer:
    """Returns a layer whose output is features of clips.

    It is the named layer, or else the last non-local block, or else the last layer.

    Raises:
        ValueError: If the model has no such layer.
    """
    layers = {layer.name: layer for layer in model.layers if _has_clip_features(layer)}
    blocks = [name for name in layers if isinstance(layers[name], NonLocalBlock)]
    name = layer_name
    if name is None:
        name = next(reversed(blocks or [*layers]), None)
    if name not in layers:
        raise ValueError(
            "`layer_name` must name a layer of the model that returns features "
            "(batch, frames, height, width, channels). "
            f"Received: layer_name={layer_name!r} for the model {model.name!r}"
        )
    return layers[name]


def _has_clip_features(layer: keras.layers.Layer) -> bool:
    shape = getattr(layer.output, "shape", ())
    return len(shape) == 5 and not isinstance(layer, keras.layers.InputLayer)


def _listed(names: object) -> str:
    return ", ".join(repr(name) for name in names) or "it has none"  # type: ignore[attr-defined]
