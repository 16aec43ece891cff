"""Non-local layers and the operation behind them."""

from keras_nonlocal.layers.non_local_block import NonLocalBlock
from keras_nonlocal.layers.non_local_operation import non_local_operation

__all__ = ["NonLocalBlock", "non_local_operation"]
