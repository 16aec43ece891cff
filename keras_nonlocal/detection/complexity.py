"""Parameters and multiply-adds of a detector."""

import math

import keras

from keras_nonlocal.detection.anchors import STRIDES
from keras_nonlocal.detection.region_model import RegionModel
from keras_nonlocal.layers import NonLocalBlock
from keras_nonlocal.models.complexity import Complexity, layer_multiply_adds


def count_detector(
    model: RegionModel,
    image_size: tuple[int, int] = (800, 1280),
    num_proposals: int = 1000,
    num_detections: int = 100,
) -> Complexity:
    """Counts the cost of a detector for one picture.

    As in publications, convolutions, dense layers and non-local blocks are counted.
    Batch normalization is not counted, except for the parameters of that in the blocks.

    Args:
        model: The detector.
        image_size: Height and width of the picture in pixels.
        num_proposals: Number of regions for the box head.
        num_detections: Number of regions for the mask head and the keypoint head.

    Returns:
        All parameters, trained or frozen, and multiply-adds, one pair counted once.

    Example:

    >>> detector = keras_nonlocal.detection.NLMaskRCNN50(
    ...     classes=3, weights=None, width=8)
    >>> cost = keras_nonlocal.detection.count_detector(detector, (64, 64), 10, 5)
    >>> cost.parameters
    20014586
    """
    height, width = image_size
    pictures = keras.Input((height, width, 3), batch_size=1)
    pyramid = keras.models.clone_model(model.pyramid, input_tensors=pictures)
    positions = sum(
        math.ceil(height / stride) * math.ceil(width / stride) for stride in STRIDES
    )
    counts = {"box_head": num_proposals}
    total = _multiply_adds(pyramid)
    total += positions * sum(
        math.prod(layer.kernel.shape)
        for layer in model.rpn_head.layers
        if isinstance(layer, keras.layers.Conv2D)
    )
    total += sum(
        counts.get(name, num_detections) * _multiply_adds(head)
        for name, head in model.heads().items()
        if name != "rpn_head"
    )
    return Complexity(_parameters(model), total)


def _multiply_adds(model: keras.Model) -> int:
    return sum(layer_multiply_adds(layer, counts_norms=False) for layer in model.layers)


def _parameters(model: RegionModel) -> int:
    parts = [model.pyramid, *model.heads().values()]
    layers = [layer for part in parts for layer in part.layers]
    return sum(
        math.prod(weight.shape)
        for layer in layers
        if not isinstance(layer, keras.layers.BatchNormalization)
        for weight in (
            layer.trainable_weights
            if isinstance(layer, NonLocalBlock)
            else layer.weights
        )
    )
