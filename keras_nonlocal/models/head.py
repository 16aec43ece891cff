"""What follows res5: classifier, score map or pooled features."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers

from keras_nonlocal.models.blocks import (
    AVERAGE_POOLING,
    GLOBAL_AVERAGE_POOLING,
    GLOBAL_MAX_POOLING,
    channel_axis,
)

Activation = str | Callable[[Any], Any] | None


def check_head(
    include_top: bool,
    pooling: str | None,
    classes: int,
    dropout_rate: float,
    score_window: Sequence[int | None] | None,
    rank: int,
) -> None:
    """Raises `ValueError` where the arguments of a head do not fit."""
    if pooling not in (None, "avg", "max"):
        raise ValueError(
            f'`pooling` must be `None`, "avg" or "max". Received: pooling={pooling!r}'
        )
    if include_top and (
        isinstance(classes, bool) or not isinstance(classes, int) or classes < 1
    ):
        raise ValueError(
            f"`classes` must be a positive integer. Received: classes={classes!r}"
        )
    if not 0 <= dropout_rate < 1:
        raise ValueError(
            "`dropout_rate` must be at least 0 and less than 1. "
            f"Received: dropout_rate={dropout_rate!r}"
        )
    if score_window is None:
        return
    if not isinstance(score_window, (tuple, list)) or len(score_window) != rank:
        raise ValueError(
            f"`score_window` must have {rank} entries, one per position axis. "
            f"Received: score_window={score_window!r}"
        )
    if any(extent is not None and extent < 1 for extent in score_window):
        raise ValueError(
            "`score_window` must hold positive integers or `None`. "
            f"Received: score_window={score_window!r}"
        )


def classifier(
    x: Any,
    classes: int,
    activation: Activation,
    dropout_rate: float,
    kernel_regularizer: Any,
    score_window: Sequence[int | None] | None,
) -> Any:
    """Averages the features, classifies, and averages the scores of a score map."""
    rank = len(x.shape) - 2
    if score_window is None:
        x = GLOBAL_AVERAGE_POOLING[rank](name="avg_pool")(x)
    else:
        window = _window(x.shape, score_window)
        x = AVERAGE_POOLING[rank](window, strides=1, name="avg_pool")(x)
        if channel_axis() == 1:
            last = (*range(2, rank + 2), 1)
            x = layers.Permute(last, name="avg_pool_channels_last")(x)
    x = layers.Dropout(dropout_rate, name="dropout")(x)
    x = layers.Dense(
        classes,
        activation=activation,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        kernel_regularizer=kernel_regularizer,
        dtype=_full_precision(),
        name="predictions",
    )(x)
    if score_window is not None:
        x = GLOBAL_AVERAGE_POOLING[rank](
            data_format="channels_last", dtype=_full_precision(), name="mean_scores"
        )(x)
    return x


def pooled_features(x: Any, pooling: str | None) -> Any:
    """The features without a classifier: all of them, or one vector."""
    rank = len(x.shape) - 2
    if pooling == "avg":
        return GLOBAL_AVERAGE_POOLING[rank](name="avg_pool")(x)
    if pooling == "max":
        return GLOBAL_MAX_POOLING[rank](name="max_pool")(x)
    return x


def _window(
    shape: Sequence[int | None], score_window: Sequence[int | None]
) -> tuple[int, ...]:
    """`score_window` with `None` replaced by the extent of the features."""
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
    """float32 under a mixed policy, so that the scores add up to 1."""
    policy = keras.config.dtype_policy()
    return policy.variable_dtype if policy.name.startswith("mixed") else None
