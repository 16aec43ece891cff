"""Non-local layers and the underlying operation."""

from typing import TYPE_CHECKING

from keras_nonlocal._lazy import lazy_room

if TYPE_CHECKING:
    from keras_nonlocal.layers.block_arguments import NonLocalOptions as NonLocalOptions
    from keras_nonlocal.layers.folded_convolution import FoldedConv3D as FoldedConv3D
    from keras_nonlocal.layers.frozen_batch_normalization import (
        FrozenBatchNormalization as FrozenBatchNormalization,
    )
    from keras_nonlocal.layers.fused_batch_normalization import (
        FusedBatchNormalization as FusedBatchNormalization,
    )
    from keras_nonlocal.layers.non_local_block import NonLocalBlock as NonLocalBlock
    from keras_nonlocal.layers.operation import (
        non_local_operation as non_local_operation,
    )
    from keras_nonlocal.layers.pixel_preprocessing import (
        PixelPreprocessing as PixelPreprocessing,
    )
    from keras_nonlocal.layers.rematerialized_segment import (
        RematerializedSegment as RematerializedSegment,
    )
else:
    __getattr__, __dir__, __all__ = lazy_room(__name__)
