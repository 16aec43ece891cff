"""Non-local layers and the operation behind them."""

from keras_nonlocal.layers.frozen_batch_normalization import FrozenBatchNormalization
from keras_nonlocal.layers.fused_batch_normalization import FusedBatchNormalization
from keras_nonlocal.layers.non_local_block import NonLocalBlock
from keras_nonlocal.layers.non_local_operation import non_local_operation
from keras_nonlocal.layers.pixel_preprocessing import PixelPreprocessing
from keras_nonlocal.layers.rematerialized_segment import RematerializedSegment

__all__ = [
    "FrozenBatchNormalization",
    "FusedBatchNormalization",
    "NonLocalBlock",
    "PixelPreprocessing",
    "RematerializedSegment",
    "non_local_operation",
]
