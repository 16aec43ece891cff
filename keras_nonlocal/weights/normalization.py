"""What the pixels of pretrained networks mean."""

from dataclasses import dataclass
from typing import Literal

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class PixelNormalization:
    """What the pixels of a network mean: `(pixel − mean) / std` per channel.

    Attributes:
        mean: Per channel, in pixel values from 0 to 255.
        std: Per channel.
        channel_order: `"rgb"` or `"bgr"`; the order of `mean` and `std` as well.
    """

    mean: Triple
    std: Triple
    channel_order: Literal["rgb", "bgr"] = "rgb"


KINETICS_NORMALIZATION = PixelNormalization((114.75,) * 3, (57.375,) * 3)
# `keras.applications.resnet.preprocess_input`.
KERAS_IMAGENET_NORMALIZATION = PixelNormalization(
    (103.939, 116.779, 123.68), (1.0, 1.0, 1.0), "bgr"
)
TORCH_IMAGENET_NORMALIZATION = PixelNormalization(
    (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
)
