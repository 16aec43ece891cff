"""The normalization of pixels that pretrained networks expect."""

from dataclasses import dataclass
from typing import Literal

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class PixelNormalization:
    """The normalization of pixels: `(pixel − mean) / std` per channel.

    Attributes:
        mean: Mean per channel, in pixel values from 0 to 255.
        std: Standard deviation per channel.
        channel_order: Order of the channels of the network's input, and of `mean` and
            `std`: `"rgb"` or `"bgr"`.
    """

    mean: Triple
    std: Triple
    channel_order: Literal["rgb", "bgr"] = "rgb"


KINETICS_NORMALIZATION = PixelNormalization((114.75,) * 3, (57.375,) * 3)
"""The normalization of the Caffe2 and PySlowFast checkpoints: RGB pixels from 0
to 255, minus 114.75, divided by 57.375."""
KERAS_IMAGENET_NORMALIZATION = PixelNormalization(
    (103.939, 116.779, 123.68), (1.0, 1.0, 1.0), "bgr"
)
"""The normalization of `keras.applications.resnet.preprocess_input`: BGR pixels from 0
to 255, minus the mean of ImageNet."""
TORCH_IMAGENET_NORMALIZATION = PixelNormalization(
    (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
)
"""The normalization of torchvision, timm and mmaction2: RGB pixels from 0 to 255, minus
the mean of ImageNet, divided by its standard deviation."""
# `PIXEL_MEAN` of Detectron and of Detectron2.
DETECTRON_NORMALIZATION = PixelNormalization(
    (102.9801, 115.9465, 122.7717), (1.0, 1.0, 1.0), "bgr"
)
DETECTRON2_NORMALIZATION = PixelNormalization(
    (103.53, 116.28, 123.675), (1.0, 1.0, 1.0), "bgr"
)
