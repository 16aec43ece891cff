"""The counters of callbacks, which `fit` resets at its start."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import keras

# The attributes of `EarlyStopping`, `ReduceLROnPlateau` and `ModelCheckpoint`.
_NAMES = ("best", "best_epoch", "cooldown_counter", "stopped_epoch", "wait")

Memory = list[dict[str, Any]]


def memory_of(callbacks: Sequence[keras.callbacks.Callback]) -> Memory:
    """Returns the kind and the counters of each callback, ready for JSON."""
    return [
        {"kind": type(callback).__name__}
        | {
            name: _plain(getattr(callback, name))
            for name in _NAMES
            if isinstance(getattr(callback, name, ""), Real | None)
        }
        for callback in callbacks
    ]


def remind(callbacks: Sequence[keras.callbacks.Callback], memory: Memory) -> None:
    """Restores the counters of callbacks if their types are the same."""
    if [type(callback).__name__ for callback in callbacks] != [
        row["kind"] for row in memory
    ]:
        return
    for callback, row in zip(callbacks, memory, strict=True):
        for name in row.keys() - {"kind"}:
            setattr(callback, name, row[name])


def _plain(value: Any) -> int | float | None:
    return value if value is None or isinstance(value, int) else float(value)
