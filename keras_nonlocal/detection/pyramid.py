"""Feature pyramids on the stages of a backbone."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from keras_nonlocal.layers.map_convolution import MapConv2D

LEVELS = ("P2", "P3", "P4", "P5")


def feature_pyramid(
    backbone: keras.Model, channels: int = 256, outputs: Mapping[str, Any] | None = None
) -> keras.Model:
    """Adds a feature pyramid to a backbone.

    Args:
        backbone: A functional model for images.
        channels: Channels of the pyramid.
        outputs: `"P2"` … `"P5"` → the backbone's Keras tensors with strides of 4, 8, 16
            and 32 pixels. Defaults to `backbone.pyramid_outputs`, which the image
            networks of this package and KerasHub's backbones have.

    Returns:
        A functional `keras.Model` from images `(batch, height, width, channels)` to a
        list of the features of P2 … P6, where P6 is every second position of P5.

    Raises:
        ValueError: If the stages of the backbone are unknown.

    References:
        [FPN](https://arxiv.org/abs/1612.03144), section 3.
    """
    stages = outputs or getattr(backbone, "pyramid_outputs", None)
    if stages is None or not {*LEVELS} <= {*stages}:
        raise ValueError(
            "`backbone` must have `pyramid_outputs` from 'P2' to 'P5', or `outputs` "
            f"must be given. Received: {backbone.name!r} with {sorted(stages or ())}"
        )
    above = None
    features = {}
    for level in reversed(LEVELS):
        x = _convolution(channels, 1, f"fpn_{level.lower()}_lateral")(stages[level])
        if above is not None:
            above = layers.UpSampling2D(2, name=f"fpn_{level.lower()}_up")(above)
            x = layers.Add(name=f"fpn_{level.lower()}_add")([x, above])
        above = x
        features[level] = _convolution(channels, 3, f"fpn_{level.lower()}_conv")(x)
    features["P6"] = layers.MaxPooling2D(1, 2, name="fpn_p6_pool")(features["P5"])
    return keras.Model(
        backbone.input, [features[level] for level in (*LEVELS, "P6")], name="pyramid"
    )


def _convolution(channels: int, size: int, name: str) -> MapConv2D:
    return MapConv2D(
        channels,
        size,
        padding="same",
        # Caffe2's XavierFill, which Detectron and Detectron2 use here.
        kernel_initializer=keras.initializers.VarianceScaling(
            1.0, mode="fan_in", distribution="uniform"
        ),
        name=name,
    )
