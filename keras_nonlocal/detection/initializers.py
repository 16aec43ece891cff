"""The initial values of Detectron's layers."""

from typing import Any

import keras


def normal(stddev: float) -> Any:
    """Normal distribution around 0."""
    return keras.initializers.RandomNormal(stddev=stddev)


def xavier() -> Any:
    """Caffe2's XavierFill."""
    return keras.initializers.VarianceScaling(
        1.0, mode="fan_in", distribution="uniform"
    )


def msra() -> Any:
    """Caffe2's MSRAFill."""
    return keras.initializers.VarianceScaling(
        2.0, mode="fan_out", distribution="untruncated_normal"
    )
