"""Resolves the `weights` argument of the builders."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras

from keras_nonlocal.architectures import DEPTHS, Placement
from keras_nonlocal.models.clip_info import ClipInfo
from keras_nonlocal.models.predictions import kinetics400_names
from keras_nonlocal.models.settings import Weights
from keras_nonlocal.weights import (
    KERAS_IMAGENET_NORMALIZATION,
    KINETICS_NORMALIZATION,
    PRESETS,
    Checkpoint,
    PixelNormalization,
    find_preset,
    load_imagenet,
    load_preset,
    read_checkpoint,
)
from keras_nonlocal.weights.download import IMAGENET_CLASSES, RELEASED_WIDTH
from keras_nonlocal.weights.geometry import implied_network
from keras_nonlocal.weights.loading import assign_checkpoint, recognized
from keras_nonlocal.weights.stored_model import check_same_network


@dataclass(frozen=True)
class Pretrained:
    """Weights and the network that they require.

    Attributes:
        load: Loads the weights into the network.
        normalization: Normalization of the pixels.
        architecture: Arguments of the builder that the weights determine.
        info: Facts about the clips, which the model stores.
    """

    load: Callable[[keras.Model], Any]
    normalization: PixelNormalization = KINETICS_NORMALIZATION
    architecture: Mapping[str, Any] = field(default_factory=dict)
    info: ClipInfo = field(default_factory=ClipInfo)


def resolve_weights(
    weights: Weights,
    *,
    classes: int,
    depth: int,
    variant: str,
    width: int,
    nonlocal_blocks: int | Placement,
    nonlocal_pool_size: int | tuple[int, int, int] | None,
    stem_temporal_strides: tuple[int, int],
    temporal_pool: bool,
) -> Pretrained:
    """Finds the weights before anything is built or downloaded.

    Raises:
        ValueError: If there is no such file or name, or if the weights are for a
            different network.
        CheckpointError: If a file cannot be read.
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
        _check_width(name, width, preset.architecture.get("width", RELEASED_WIDTH))
        has_its_classes = classes == preset.architecture["classes"]
        return Pretrained(
            load=partial(load_preset, preset=preset, strict=has_its_classes),
            normalization=preset.normalization,
            architecture={
                "stride_in_1x1": False,
                "stem_pool_padding": "same",
                "nonlocal_mode": "embedded_gaussian",
                "width": RELEASED_WIDTH,
                **preset.architecture,
            },
            info=ClipInfo(
                class_names=kinetics400_names() if has_its_classes else None,
                num_frames=preset.num_frames,
                frame_stride=preset.frame_stride,
                normalization=preset.normalization,
            ),
        )
    pretrained = _common_weights(
        weights,
        classes,
        width,
        '`None`, "imagenet", "kinetics400", the path of an existing file or a name in '
        "`keras_nonlocal.weights.PRESETS`",
    )
    strides = stem_temporal_strides
    if isinstance(strides, list):
        strides = tuple(strides)
    settle(pretrained, "stem_temporal_strides", strides, None)
    settle(pretrained, "temporal_pool", temporal_pool, None)
    if "nonlocal_pool_size" in pretrained.architecture and nonlocal_pool_size:
        raise ValueError(
            "`nonlocal_pool_size` must be None for the given `weights`. "
            f"Received: nonlocal_pool_size={nonlocal_pool_size!r}"
        )
    return pretrained


def resolve_image_weights(weights: Weights, classes: int, width: int) -> Pretrained:
    """Finds the weights of an image network; see `resolve_weights`."""
    return _common_weights(
        weights, classes, width, '`None`, "imagenet" or the path of an existing file'
    )


def _common_weights(
    weights: Weights, classes: int, width: int, choices: str
) -> Pretrained:
    if weights is None:
        return Pretrained(load=lambda model: None)
    name = os.fspath(weights)
    if name == "imagenet":
        _check_width(name, width, RELEASED_WIDTH)
        return Pretrained(
            load=partial(load_imagenet, strict=classes == IMAGENET_CLASSES),
            normalization=KERAS_IMAGENET_NORMALIZATION,
            architecture={
                "stride_in_1x1": True,
                "stem_pool_padding": "same",
                "width": RELEASED_WIDTH,
            },
            info=ClipInfo(normalization=KERAS_IMAGENET_NORMALIZATION),
        )
    if not os.path.exists(name):
        raise ValueError(f"`weights` must be {choices}. Received: weights={name!r}")
    checkpoint = read_checkpoint(name)
    implied = implied_network(recognized(checkpoint), checkpoint)
    return Pretrained(
        load=partial(_load_file, checkpoint=checkpoint),
        normalization=implied.normalization or KINETICS_NORMALIZATION,
        architecture=implied.architecture,
        info=ClipInfo(normalization=implied.normalization),
    )


def _load_file(model: keras.Model, checkpoint: Checkpoint) -> None:
    check_same_network(model, checkpoint)
    assign_checkpoint(model, checkpoint)


def _check_width(weights: str, width: int, released: int) -> None:
    """Rejects a network that the weights cannot fit before they are downloaded."""
    if width != released:
        raise ValueError(
            f"`width` must be {released} for the weights {weights!r}. "
            f"Received: width={width!r}"
        )


def settle(pretrained: Pretrained, argument: str, value: Any, default: Any) -> Any:
    """Returns the value of an argument that weights may determine.

    Args:
        pretrained: The weights.
        argument: Name of the argument.
        value: The user's value, or `None`.
        default: The default if neither the user nor the weights determine the value.

    Raises:
        ValueError: If the weights are for a different network.
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
    """Returns the number of blocks whose placement a mapping equals, if any."""
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
