"""The variables of a network, each with its place in the architecture.

The walk goes over the expanded specification that the model's layers amount to, so
every naming of another project is a function of a `Place`, not of a layer's name.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

STEM_CONVOLUTION = "conv1_conv"
STEM_NORM = "conv1_bn"
HEAD = "predictions"

_BLOCK_LAYER = re.compile(r"conv([2-5])_block(\d+)_(?:([0-3])_(conv|bn)|(nl))")
_NONLOCAL_PARTS = ("theta", "phi", "g", "out", "norm")
NORM_ROLES = ("gamma", "beta", "moving_mean", "moving_variance")


@dataclass(frozen=True)
class Place:
    """Where a variable belongs.

    Attributes:
        unit: `"stem"`, `"block"` (a convolution or norm of a residual block),
            `"nonlocal"` or `"head"`.
        role: `"kernel"`, `"bias"`, `"gamma"`, `"beta"`, `"moving_mean"`,
            `"moving_variance"` or `"w_f"`.
        is_norm: Whether it belongs to a batch normalisation.
        stage: 2 … 5, or 1 for the stem and 6 for the head.
        block: Index of the residual block inside its stage, from 0.
        part: 0 (shortcut), 1, 2, 3 of a residual block; `"theta"`, `"phi"`, `"g"`,
            `"out"`, `"norm"` or `"w_f"` of a non-local block.
    """

    unit: str
    role: str
    is_norm: bool = False
    stage: int = 1
    block: int = 0
    part: int | str = 0


@dataclass(frozen=True)
class Slot:
    """A variable of the model.

    Attributes:
        name: `"conv4_block3_nl/theta/kernel"`: layer, sub-layer and role.
        index: The variable's number in its layer, as Keras's files count.
        place: Where it belongs; `None` for layers that no published network has.
        variable: The Keras variable.
        layer: The layer or sub-layer that owns the variable.
    """

    name: str
    index: int
    place: Place | None
    variable: Any
    layer: keras.layers.Layer

    @property
    def shape(self) -> tuple[int, ...]:
        """The variable's shape."""
        return tuple(self.variable.shape)


def model_slots(model: keras.Model) -> list[Slot]:
    """Returns the weights of `model` in the order of its layers."""
    slots: list[Slot] = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            slots += model_slots(layer)
        else:
            slots += _layer_slots(layer)
    return slots


def _layer_slots(layer: keras.layers.Layer) -> Iterator[Slot]:
    owned = {id(variable) for variable in layer.weights}
    place = _layer_place(layer.name)
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


def _layer_place(name: str) -> Place | None:
    """The place of a layer, its role still open."""
    if name in (STEM_CONVOLUTION, STEM_NORM):
        return Place("stem", "")
    if name == HEAD:
        return Place("head", "", stage=6)
    match = _BLOCK_LAYER.fullmatch(name)
    if match is None:
        return None
    stage, block = int(match[1]), int(match[2]) - 1
    if match[5]:
        return Place("nonlocal", "", stage=stage, block=block)
    return Place("block", "", stage=stage, block=block, part=int(match[3]))


def _with_role(place: Place | None, role: str, part: str) -> Place | None:
    if place is None:
        return None
    return Place(
        place.unit,
        role,
        is_norm=role in NORM_ROLES,
        stage=place.stage,
        block=place.block,
        part=part if place.unit == "nonlocal" else place.part,
    )
