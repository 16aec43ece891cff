"""The variables of a network and their places in the architecture.

The places of all layers are found by walking the specifications of all networks once.
The naming of each project is a function of a `WeightPlace`, not of a layer's name.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import keras
import numpy as np

from keras_nonlocal.architectures import DEPTHS, STAGES, BottleneckSpec, network_spec
from keras_nonlocal.layer_names import (
    PREDICTIONS,
    STEM,
    branch_name,
    convolution_name,
    norm_name,
)
from keras_nonlocal.weights.detector_places import detector_place
from keras_nonlocal.weights.places import NORM_ROLES, WeightPlace

_NONLOCAL_PARTS = ("theta", "phi", "g", "out", "norm")
# No file has them: Keras merges them into the kernel when it saves.
_LORA_VARIABLES = frozenset({"lora_kernel_a", "lora_kernel_b"})


@dataclass(frozen=True)
class Slot:
    """A variable of the model.

    Attributes:
        name: `"conv4_block3_nl/theta/kernel"`: layer, sub-layer and role.
        index: The variable's number in its layer, as in Keras's files.
        place: The place of the variable, or `None` for layers that no published network
            has.
        variable: The Keras variable.
        layer: The layer or sub-layer that owns the variable.
    """

    name: str
    index: int
    place: WeightPlace | None
    variable: Any
    layer: keras.layers.Layer

    @property
    def shape(self) -> tuple[int, ...]:
        """The variable's shape."""
        return tuple(self.variable.shape)

    @property
    def is_quantized(self) -> bool:
        """Whether Keras has quantized the layer."""
        return getattr(self.layer, "quantization_mode", None) is not None

    def assign(self, value: np.ndarray) -> None:
        """Assigns a value. A new kernel replaces what LoRA adds to it, too."""
        self.variable.assign(value)
        is_kernel = self.name.endswith("/kernel")
        if is_kernel and getattr(self.layer, "lora_enabled", False):
            added = self.layer.lora_kernel_b
            added.assign(np.zeros(added.shape, "float32"))


def model_slots(model: keras.Model) -> list[Slot]:
    """Returns the weights of `model` in the order of its layers, without LoRA's."""
    slots: list[Slot] = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            slots += model_slots(layer)
        else:
            slots += _layer_slots(layer)
    return [slot for slot in slots if slot.variable.name not in _LORA_VARIABLES]


def _layer_slots(layer: keras.layers.Layer) -> Iterator[Slot]:
    owned = {id(variable) for variable in layer.weights}
    place = _layer_places().get(layer.name) or detector_place(layer.name)
    for part in _NONLOCAL_PARTS:
        sublayer = getattr(layer, part, None)
        if not isinstance(sublayer, keras.layers.Layer):
            continue
        for index, variable in enumerate(sublayer.weights):
            if id(variable) in owned:
                owned.discard(id(variable))
                yield Slot(
                    f"{layer.name}/{part}/{variable.name}",
                    index,
                    _with_role(place, variable.name, part),
                    variable,
                    sublayer,
                )
    remaining = [variable for variable in layer.weights if id(variable) in owned]
    for index, variable in enumerate(remaining):
        yield Slot(
            f"{layer.name}/{variable.name}",
            index,
            _with_role(place, variable.name, variable.name),
            variable,
            layer,
        )


@cache
def _layer_places() -> dict[str, WeightPlace]:
    """Returns the places of all layers in the tables by name, with an empty role."""
    places = {
        convolution_name(STEM): WeightPlace("stem", ""),
        norm_name(STEM): WeightPlace("stem", ""),
        PREDICTIONS: WeightPlace("head", "", stage=6),
    }
    for depth, row in DEPTHS.items():
        after_every_block = {
            stage: tuple(range(number))
            for stage, number in zip(STAGES, row.blocks, strict=True)
        }
        spec = network_spec(depth, "c2d", nonlocal_blocks=after_every_block)
        for number, stage in enumerate(spec.stages, start=2):
            for index, block in enumerate(stage.blocks):
                place = WeightPlace("block", "", stage=number, block=index)
                places |= dict(_block_places(block, place))
    return places


def _block_places(
    block: BottleneckSpec, place: WeightPlace
) -> Iterator[tuple[str, WeightPlace]]:
    """Yields the layers of a residual block and of the non-local block after it."""
    shortcut = () if block.shortcut_strides is None else (0,)
    for branch in (*shortcut, *range(1, len(block.kernel_sizes) + 1)):
        unit = branch_name(block.name, branch)
        for name in (convolution_name(unit), norm_name(unit)):
            yield name, replace(place, part=branch)
    if block.nonlocal_name is not None:
        yield block.nonlocal_name, replace(place, unit="nonlocal")


def _with_role(place: WeightPlace | None, role: str, part: str) -> WeightPlace | None:
    if place is None:
        return None
    return replace(
        place,
        role=role,
        is_norm=role in NORM_ROLES,
        part=part if place.unit == "nonlocal" else place.part,
    )
