"""Checks of the values in a detector's settings, by the types of their fields."""

import math
import typing
from dataclasses import fields
from typing import Any, Literal

import numpy as np

from keras_nonlocal.arguments import (
    check_choice,
    check_count,
    check_fraction,
    check_positive_integer,
    check_positive_number,
    is_number,
)

_FRACTIONS = ("_iou", "_share", "_threshold")
_MAY_BE_ZERO = ("min_size", "box_beta")


def check_fields(settings: Any) -> None:
    """Raises `ValueError` or `TypeError` if a field has a value that it cannot have.

    Args:
        settings: A frozen dataclass. Its integers are positive, but numbers of
            convolutions may be 0. Its other numbers are positive, except a least size
            and a beta, which may be 0; those named an overlap, a share or a threshold
            are fractions.
    """
    hints = typing.get_type_hints(type(settings))
    for item in fields(settings):
        value = _plain(getattr(settings, item.name), hints[item.name])
        _check(item.name, value, hints[item.name])
        # A frozen dataclass can be changed in no other way.
        object.__setattr__(settings, item.name, value)


def check_foreground(num_samples: int, foreground_share: float) -> None:
    """Checks that at least one sample may be foreground."""
    if int(foreground_share * num_samples) < 1:
        raise ValueError(
            "`foreground_share` of `num_samples` must be at least one sample. "
            f"Received: foreground_share={foreground_share}, num_samples={num_samples}"
        )


def check_numbers(
    name: str, values: Any, length: int | None = None, *, positive: bool = True
) -> None:
    """Checks a tuple of finite numbers; at least one if `length` is `None`."""
    is_right = (
        isinstance(values, tuple)
        and len(values) >= 1
        and length in (None, len(values))
        and all(map(_is_finite, values))
        and not (positive and min(values) <= 0)
    )
    if not is_right:
        kind = "positive" if positive else "finite"
        what = f"non-empty tuple of {kind}"
        if length is not None:
            what = f"tuple of {length} {kind}"
        raise ValueError(
            f"`{name}` must be a {what} numbers. Received: {name}={values!r}"
        )


def check_bool(name: str, value: Any) -> None:
    """Checks a truth value."""
    if not isinstance(value, bool):
        raise TypeError(f"`{name}` must be a bool. Received: {name}={value!r}")


def _is_finite(value: Any) -> bool:
    try:
        return is_number(value) and math.isfinite(value)
    except OverflowError:
        return False


def _plain(value: Any, hint: Any) -> Any:
    """Lists and arrays as tuples, and truth values of NumPy as those of Python."""
    if typing.get_origin(hint) is tuple and isinstance(value, list | np.ndarray):
        return tuple(value)
    return bool(value) if isinstance(value, np.bool_) else value


def _check(name: str, value: Any, hint: Any) -> None:
    if typing.get_origin(hint) is Literal:
        check_choice(name, value, typing.get_args(hint))
    elif typing.get_origin(hint) is tuple:
        kinds = typing.get_args(hint)
        length = None if Ellipsis in kinds else len(kinds)
        check_numbers(name, value, length, positive=name != "mean")
    elif hint is bool:
        check_bool(name, value)
    elif hint is int:
        is_count = name.endswith("_convolutions")
        (check_count if is_count else check_positive_integer)(name, value)
    elif name.endswith(_FRACTIONS):
        check_fraction(name, value)
    elif name not in _MAY_BE_ZERO or not is_number(value) or value != 0:
        check_positive_number(name, value)
