"""Weights that a checkpoint leaves out because its project fixes them."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from keras_nonlocal.weights.arrays import unit_variance
from keras_nonlocal.weights.names import CAFFE2, Naming
from keras_nonlocal.weights.slots import NORM_ROLES, Place, Slot

_RUNNING_MEAN_SUFFIX = "_rm"


def is_frozen_norm_file(naming: Naming, keys: Collection[str]) -> bool:
    """Whether a Caffe2 file has scales and biases in place of batch norms."""
    return naming is CAFFE2 and not any(
        key.endswith(_RUNNING_MEAN_SUFFIX) for key in keys
    )


def implied_value(
    slot: Slot, naming: Naming, keys: Collection[str]
) -> np.ndarray | None:
    """The value that a file means by leaving `slot` out, or `None`.

    - A frozen norm is a scale and a bias: mean 0, and the variance that makes the
      layer divide by exactly 1. The released long-clip networks have no norm at all
      in their non-local blocks, which is the scale 1 and the bias 0.
    - A convolution that a norm follows has no bias in mmcv: 0.
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
    place: Place,
    role: str,
    naming: Naming,
    keys: Collection[str],
    part: str | None = None,
) -> bool:
    """Whether the file has another weight of the same place."""
    other = replace(
        place,
        role=role,
        is_norm=role in NORM_ROLES,
        part=place.part if part is None else part,
    )
    return any(key in keys for key in naming.keys(replace(slot, place=other)))
