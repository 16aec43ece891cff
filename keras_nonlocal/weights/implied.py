"""Weights that a checkpoint omits because its project fixes their values."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from keras_nonlocal.weights.arrays import unit_variance
from keras_nonlocal.weights.naming import Naming
from keras_nonlocal.weights.places import NORM_ROLES, WeightPlace
from keras_nonlocal.weights.slots import Slot

_RUNNING_MEAN_SUFFIXES = ("_rm", ".running_mean")


def is_frozen_norm_file(naming: Naming, keys: Collection[str]) -> bool:
    """Whether a file has scales and biases instead of batch norms."""
    return naming.has_affine_norms and not any(
        key.endswith(_RUNNING_MEAN_SUFFIXES) for key in keys
    )


def implied_value(
    slot: Slot, naming: Naming, keys: Collection[str]
) -> np.ndarray | None:
    """Returns the value that a missing weight of a file has by implication, or `None`.

    - A frozen norm is a scale and a bias. Its mean is 0, and its variance makes the
      layer divide by exactly 1. The released long-clip networks have no norm in their
      non-local blocks, which equals a scale of 1 and a bias of 0.
    - In mmcv, a convolution before a norm has no bias, which equals a bias of 0.
    """
    place = slot.place
    if place is None:
        return None
    if naming.name == "mmaction2" and place.part == "out" and place.role == "bias":
        return (
            np.zeros(slot.shape) if _has(slot, place, "kernel", naming, keys) else None
        )
    if not place.is_norm or not is_frozen_norm_file(naming, keys):
        return None
    has_scale, has_bias = (
        _has(slot, place, role, naming, keys) for role in ("gamma", "beta")
    )
    fixed = {"moving_mean": 0.0, "moving_variance": unit_variance(slot.layer.epsilon)}
    if not has_scale and not has_bias:
        if place.unit != "nonlocal" or not _has(
            slot, place, "kernel", naming, keys, "out"
        ):
            return None
        fixed |= {"gamma": 1.0, "beta": 0.0}
    elif not (has_scale and has_bias):
        return None
    value = fixed.get(place.role)
    return None if value is None else np.full(slot.shape, value)


def _has(
    slot: Slot,
    place: WeightPlace,
    role: str,
    naming: Naming,
    keys: Collection[str],
    part: str | None = None,
) -> bool:
    """Whether the file has a weight with another role at the same place."""
    other = replace(
        place,
        role=role,
        is_norm=role in NORM_ROLES,
        part=place.part if part is None else part,
    )
    return any(key in keys for key in naming.keys(replace(slot, place=other)))
