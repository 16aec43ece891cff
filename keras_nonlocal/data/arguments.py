"""Checks of argument values that end in one sentence saying what was received."""

import numbers
from collections.abc import Sequence
from typing import Any


def check_positive_integer(name: str, value: Any) -> None:
    if not is_integer(value):
        raise TypeError(f"`{name}` must be an integer. Received: {name}={value!r}")
    if value < 1:
        raise ValueError(
            f"`{name}` must be a positive integer. Received: {name}={value!r}"
        )


def check_count(name: str, value: Any) -> None:
    if not is_integer(value) or value < 0:
        raise ValueError(
            f"`{name}` must be an integer of at least 0. Received: {name}={value!r}"
        )


def check_positive_number(name: str, value: Any) -> None:
    if not isinstance(value, float | int) or isinstance(value, bool):
        raise TypeError(f"`{name}` must be a number. Received: {name}={value!r}")
    if not 0 < value < float("inf"):
        raise ValueError(
            f"`{name}` must be a positive number. Received: {name}={value!r}"
        )


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    if not any(value is choice or value == choice for choice in choices):
        *others, last = (repr(choice) for choice in choices)
        raise ValueError(
            f"`{name}` must be one of {', '.join(others)} or {last}. "
            f"Received: {name}={value!r}"
        )


def is_integer(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def pair_of_sizes(name: str, value: Any) -> tuple[int, int]:
    """Returns `(height, width)` of an integer or a pair of integers."""
    if is_integer(value):
        check_positive_integer(name, value)
        return int(value), int(value)
    if (
        not isinstance(value, Sequence)
        or len(value) != 2
        or not all(is_integer(side) and side > 0 for side in value)
    ):
        raise ValueError(
            f"`{name}` must be a positive integer or a pair of them, "
            f"`(height, width)`. Received: {name}={value!r}"
        )
    height, width = value
    return int(height), int(width)
