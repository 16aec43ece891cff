"""What `weights=` of a builder means."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras

from keras_nonlocal.architectures import DEPTHS, Placement
from keras_nonlocal.weights import (
    KERAS_IMAGENET_NORMALIZATION,
    KINETICS_NORMALIZATION,
    PRESETS,
    PixelNormalization,
    find_preset,
    load_checkpoint,
    load_imagenet,
    load_preset,
)

Weights = str | os.PathLike[str] | None

IMAGENET_CLASSES = 1000


@dataclass(frozen=True)
class Pretrained:
    """Weights, and what a network must be to give their scores.

    Attributes:
        load: Loads the weights into the network.
        normalization: What its pixels mean.
        architecture: Arguments of the builder that the weights fix.
        num_frames: Frames per clip, or `None` for any.
    """

    load: Callable[[keras.Model], Any]
    normalization: PixelNormalization = KINETICS_NORMALIZATION
    architecture: Mapping[str, Any] = field(default_factory=dict)
    num_frames: int | None = None


def resolve_weights(
    weights: Weights,
    *,
    classes: int,
    depth: int,
    variant: str,
    nonlocal_blocks: int | Placement,
    stem_temporal_strides: tuple[int, int],
    temporal_pool: bool,
) -> Pretrained:
    """Finds what `weights` names, before anything is built or downloaded.

    Raises:
        ValueError: If there is no such file, name or network.
    """
    if weights is not None and (
        (name := os.fspath(weights)) == "kinetics400" or name in PRESETS
    ):
        preset = find_preset(
            name,
            depth=depth,
            variant=variant,
            nonlocal_blocks=_number_of_blocks(depth, nonlocal_blocks),
            stem_temporal_strides=stem_temporal_strides,
            temporal_pool=temporal_pool,
        )
        return Pretrained(
            load=partial(
                load_preset,
                preset=preset,
                strict=classes == preset.architecture["classes"],
            ),
            normalization=preset.normalization,
            architecture={
                "stride_in_1x1": False,
                "stem_pool_padding": "same",
                "nonlocal_mode": "embedded_gaussian",
                **preset.architecture,
            },
            num_frames=preset.num_frames,
        )
    return _common_weights(
        weights,
        classes,
        '`None`, "imagenet", "kinetics400", the path of an existing file or a name in '
        "`keras_nonlocal.weights.PRESETS`",
    )


def resolve_image_weights(weights: Weights, classes: int) -> Pretrained:
    """`resolve_weights` for image networks."""
    return _common_weights(
        weights, classes, '`None`, "imagenet" or the path of an existing file'
    )


def _common_weights(weights: Weights, classes: int, choices: str) -> Pretrained:
    if weights is None:
        return Pretrained(load=lambda model: None)
    name = os.fspath(weights)
    if name == "imagenet":
        return Pretrained(
            load=partial(load_imagenet, strict=classes == IMAGENET_CLASSES),
            normalization=KERAS_IMAGENET_NORMALIZATION,
            architecture={"stride_in_1x1": True, "stem_pool_padding": "same"},
        )
    if not os.path.exists(name):
        raise ValueError(f"`weights` must be {choices}. Received: weights={name!r}")
    return Pretrained(load=partial(load_checkpoint, path=name))


def settle(pretrained: Pretrained, argument: str, value: Any, default: Any) -> Any:
    """The value of an argument that weights may fix.

    Args:
        pretrained: The weights.
        argument: Name of the argument.
        value: What the user gave; `None` leaves it open.
        default: What an open argument is without weights that fix it.

    Raises:
        ValueError: If the user asks for another network than the weights are of.
    """
    fixed = pretrained.architecture.get(argument)
    if value is None:
        return default if fixed is None else fixed
    if fixed is not None and value != fixed:
        raise ValueError(
            f"`{argument}` must be {fixed!r} for the given `weights`. "
            f"Received: {argument}={value!r}"
        )
    return value


def _number_of_blocks(depth: int, nonlocal_blocks: int | Placement) -> int:
    """The key of the depth's placements that a mapping spells out, if any."""
    if not isinstance(nonlocal_blocks, Mapping):
        return nonlocal_blocks
    wanted = {stage: tuple(places) for stage, places in nonlocal_blocks.items()}
    for number, placement in DEPTHS[depth].placements.items():
        if wanted == placement:
            return number
    raise ValueError(
        "`nonlocal_blocks` must be a placement that weights were released for. "
        f"Received: nonlocal_blocks={nonlocal_blocks!r}"
    )
