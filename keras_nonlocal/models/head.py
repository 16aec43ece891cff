"""The layers after res5: classifier, score map or pooled features."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from keras_nonlocal.layer_names import (
    AVERAGE_POOL,
    DROPOUT,
    MAX_POOL,
    MEAN_SCORES,
    PREDICTIONS,
)
from keras_nonlocal.models.blocks import (
    AVERAGE_POOLING,
    GLOBAL_AVERAGE_POOLING,
    GLOBAL_MAX_POOLING,
    channel_axis,
)
from keras_nonlocal.models.settings import HeadSettings, Pooling
from keras_nonlocal.tensors import Tensor


def classifier(x: Tensor, head: HeadSettings, kernel_regularizer: Any) -> Tensor:
    """Averages the features, classifies, and averages the scores of a score map."""
    score_window = head.score_window
    rank = len(x.shape) - 2
    if score_window is None:
        x = GLOBAL_AVERAGE_POOLING[rank](name=AVERAGE_POOL)(x)
    else:
        window = _window(x.shape, score_window)
        x = AVERAGE_POOLING[rank](window, strides=1, name=AVERAGE_POOL)(x)
        if channel_axis() == 1:
            last = (*range(2, rank + 2), 1)
            x = layers.Permute(last, name=f"{AVERAGE_POOL}_channels_last")(x)
    x = layers.Dropout(head.dropout_rate, name=DROPOUT)(x)
    x = layers.Dense(
        int(head.classes),
        activation=head.activation,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        kernel_regularizer=kernel_regularizer,
        dtype=_full_precision(),
        name=PREDICTIONS,
    )(x)
    if score_window is not None:
        x = GLOBAL_AVERAGE_POOLING[rank](
            data_format="channels_last", dtype=_full_precision(), name=MEAN_SCORES
        )(x)
    return x


def pooled_features(x: Tensor, pooling: Pooling | None) -> Tensor:
    """Returns the features without a classifier: all of them, or one vector."""
    rank = len(x.shape) - 2
    if pooling == "avg":
        return GLOBAL_AVERAGE_POOLING[rank](name=AVERAGE_POOL)(x)
    if pooling == "max":
        return GLOBAL_MAX_POOLING[rank](name=MAX_POOL)(x)
    return x


def _window(
    shape: Sequence[int | None], score_window: Sequence[int | None]
) -> tuple[int, ...]:
    """Returns `score_window` with `None` replaced by the extent of the features."""
    extents = list(shape[1:])
    extents.pop(0 if channel_axis() == 1 else -1)
    window = []
    for extent, available in zip(score_window, extents, strict=True):
        if extent is None and available is None:
            raise ValueError(
                "`score_window` can be `None` only along an axis of known size. "
                f"Received: score_window={tuple(score_window)} for features of shape "
                f"{tuple(shape)}"
            )
        if None not in (extent, available) and extent > available:  # type: ignore[operator]
            raise ValueError(
                "`score_window` must not be larger than the last feature map. "
                f"Received: score_window={tuple(score_window)} for features of shape "
                f"{tuple(shape)}"
            )
        window.append(available if extent is None else extent)
    return tuple(window)  # type: ignore[arg-type]


def _full_precision() -> str | None:
    """Returns float32 under a mixed policy, which makes the scores add up to 1."""
    policy = keras.config.dtype_policy()
    return policy.variable_dtype if policy.name.startswith("mixed") else None
