"""The model that a `.keras` file stores beside its weights.

Weights do not determine strides, padding or the pairwise function of a block. A
`.keras` file has them in the configurations of its layers. They are read as plain JSON,
so nothing that they name is imported.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from keras_nonlocal.layer_names import (
    STEM,
    STEM_POOL,
    TEMPORAL_POOL,
    branch_name,
    convolution_name,
    pad_name,
    pool_name,
)
from keras_nonlocal.weights.checkpoint import Checkpoint
from keras_nonlocal.weights.normalization import PixelNormalization

# With strides in the 1×1 convolutions, this one has strides.
_FIRST_STRIDED = convolution_name(branch_name("conv3_block1", 1))
_STEM, _STEM_POOL = convolution_name(STEM), pool_name(STEM_POOL)
_GEOMETRY = (
    "strides",
    "padding",
    "pool_size",
    "mode",
    "scope",
    "temporal_group_size",
    "scale",
)


@dataclass(frozen=True)
class StoredModel:
    """The layers and the normalization of a stored model.

    Attributes:
        layers: The configurations of the layers by name.
        normalization: The normalization of its pixels, or `None` if unknown.
    """

    layers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    normalization: PixelNormalization | None = None

    def architecture(self) -> dict[str, Any]:
        """Returns the arguments of the builder that the layers determine."""
        convolution = self.layers.get(_FIRST_STRIDED)
        stem, pool = self.layers.get(_STEM), self.layers.get(_STEM_POOL)
        if convolution is None or stem is None or pool is None:
            return {}
        is_padded = pad_name(STEM_POOL) in self.layers
        found: dict[str, Any] = {
            "stride_in_1x1": convolution["strides"][-1] == 2,
            "stem_pool_padding": "same" if is_padded else "valid",
        }
        modes = {row["mode"] for row in self.layers.values() if "mode" in row}
        if len(modes) == 1:
            found["nonlocal_mode"] = modes.pop()
        if len(stem["strides"]) == 3:
            found["stem_temporal_strides"] = (stem["strides"][0], pool["strides"][0])
            found["temporal_pool"] = TEMPORAL_POOL in self.layers
        return found

    def difference(self, model: keras.Model) -> str | None:
        """Returns the first difference in how a model computes, or `None`."""
        for layer in _plain_layers(model):
            stored = self.layers.get(layer.name)
            if stored is None:
                continue
            # As JSON, with lists for tuples.
            own = json.loads(json.dumps(layer.get_config(), default=str))
            for name in _GEOMETRY:
                if name not in own or name not in stored:
                    continue
                if not _is_same(own[name], stored[name]):
                    return (
                        f"{name}={stored[name]!r} in the layer {layer.name!r}, which "
                        f"has {own[name]!r} here"
                    )
        return None


def stored_model(metadata: Mapping[str, Any]) -> StoredModel:
    """Returns the stored model, or an empty one if the file has no valid one.

    Args:
        metadata: The plain values of a checkpoint.
    """
    try:
        model = json.loads(metadata["config"])["config"]
        layers = dict(_stored_layers(model))
        found = [*_normalizations(model)]
        stored = StoredModel(layers, found[0] if found else None)
        stored.architecture()
        return stored
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return StoredModel()


def check_same_network(model: keras.Model, checkpoint: Checkpoint) -> None:
    """Raises an error if the stored model of a file computes in another way.

    Args:
        model: The model that the weights are for.
        checkpoint: The content of the file.

    Raises:
        ValueError: If a layer has, for instance, other strides.
    """
    difference = stored_model(checkpoint.metadata).difference(model)
    if difference is not None:
        raise ValueError(
            "`weights` must be of a network with the same arguments; to load them "
            "nevertheless, use `keras_nonlocal.weights.load_checkpoint`. "
            f"Received: weights={checkpoint.path!r} with {difference}"
        )


def _plain_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _plain_layers(layer)
        else:
            yield layer


def _stored_layers(model: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for row in model["layers"]:
        if "layers" in row["config"]:
            yield from _stored_layers(row["config"])
        else:
            yield row["config"]["name"], row["config"]


def _normalizations(model: Mapping[str, Any]) -> Iterator[PixelNormalization]:
    """Yields the normalization inside the model and that of its `clip_info`."""
    for row in model["layers"]:
        if row["class_name"] == "PixelPreprocessing":
            yield _normalization(row["config"])
    info = model.get("clip_info")
    if info is not None and info["config"]["normalization"] is not None:
        yield _normalization(info["config"]["normalization"])


def _normalization(values: Mapping[str, Any]) -> PixelNormalization:
    mean, std = ([float(x) for x in values[name]] for name in ("mean", "std"))
    order = values.get("channel_order", "rgb")
    if len(mean) != 3 or len(std) != 3 or not all(std) or order not in ("rgb", "bgr"):
        raise ValueError(values)
    return PixelNormalization(
        (mean[0], mean[1], mean[2]), (std[0], std[1], std[2]), order
    )


def _is_same(own: Any, stored: Any) -> bool:
    if isinstance(own, list) and isinstance(stored, list):
        # Images and clips have the last axes in common.
        axes = min(len(own), len(stored))
        return own[-axes:] == stored[-axes:]
    if isinstance(own, list) or isinstance(stored, list):
        sizes, size = (own, stored) if isinstance(own, list) else (stored, own)
        return bool(sizes[-2:] == [size, size])
    return bool(own == stored)
