"""Metrics for videos with several labels."""

from typing import TYPE_CHECKING

from keras_nonlocal._lazy import lazy_room

if TYPE_CHECKING:
    from keras_nonlocal.metrics.mean_average_precision import (
        MeanAveragePrecision as MeanAveragePrecision,
    )
else:
    __getattr__, __dir__, __all__ = lazy_room(__name__)
