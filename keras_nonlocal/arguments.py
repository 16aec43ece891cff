"""Checks of argument values. Each error is one sentence that shows what was received.

One policy applies to all numbers: NumPy integers count as integers and NumPy floats as
numbers, a `bool` counts as neither, and `2.0` is not an integer. A value of the wrong
type raises `TypeError`, and a number out of range raises `ValueError`. The checks
return plain Python numbers, which can be stored in any configuration or file.
"""

import numbers
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, TypeGuard, TypeVar, cast

_Function = TypeVar("_Function", bound=Callable[..., Any])


def named_elsewhere(**names: str) -> Callable[[_Function], _Function]:
    """Decorates a function whose arguments have other names in other packages.

    Args:
        **names: The name elsewhere and the name here, such as
            `image_size="crop_size"`. The function raises a `TypeError` that says so.
    """

    def decorate(function: _Function) -> _Function:
        @wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            for name in names.keys() & kwargs.keys():
                raise TypeError(
                    f"`{name}` is called `{names[name]}` here. "
                    f"Received: {name}={kwargs[name]!r}"
                )
            return function(*args, **kwargs)

        return cast(_Function, checked)

    return decorate


def counted(number: int, thing: str) -> str:
    """Returns a number of things, such as `"1 video"` and `"2 videos"`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def is_integer(value: object) -> TypeGuard[int]:
    """Whether `value` is a Python or NumPy integer and not a `bool`."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a Python or NumPy integer or float and not a `bool`."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_positive_integer(name: str, value: Any) -> int:
    """Returns an integer of at least 1."""
    if not is_integer(value):
        raise TypeError(f"`{name}` must be an integer. Received: {name}={value!r}")
    if value < 1:
        raise ValueError(
            f"`{name}` must be a positive integer. Received: {name}={value!r}"
        )
    return int(value)


def check_count(name: str, value: Any) -> int:
    """Returns an integer of at least 0."""
    if not is_integer(value):
        raise TypeError(f"`{name}` must be an integer. Received: {name}={value!r}")
    if value < 0:
        raise ValueError(
            f"`{name}` must be an integer of at least 0. Received: {name}={value!r}"
        )
    return int(value)


def check_positive_number(name: str, value: Any) -> float:
    """Returns a finite number greater than 0."""
    if not is_number(value):
        raise TypeError(f"`{name}` must be a number. Received: {name}={value!r}")
    if not 0 < value < float("inf"):
        raise ValueError(
            f"`{name}` must be a positive number. Received: {name}={value!r}"
        )
    return int(value) if is_integer(value) else float(value)


def check_fraction(name: str, value: Any, *, below_one: bool = False) -> float:
    """Returns a number from 0 to 1, or from 0 to less than 1."""
    if not is_number(value):
        raise TypeError(f"`{name}` must be a number. Received: {name}={value!r}")
    if below_one and not 0 <= value < 1:
        raise ValueError(
            f"`{name}` must be at least 0 and less than 1. Received: {name}={value!r}"
        )
    if not 0 <= value <= 1:
        raise ValueError(f"`{name}` must be from 0 to 1. Received: {name}={value!r}")
    return float(value)


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Raises `ValueError` if `value` is not one of `choices`.

    Here, `True` and `1.0` are not equal to `1`.
    """
    plain = int(value) if is_integer(value) else value
    plain = str(value) if isinstance(value, str) else plain
    if not any(type(plain) is type(choice) and plain == choice for choice in choices):
        *others, last = (repr(choice) for choice in choices)
        listed = f"one of {', '.join(others)} or {last}" if others else last
        raise ValueError(f"`{name}` must be {listed}. Received: {name}={value!r}")


def integers(value: Any) -> tuple[int, ...] | None:
    """Returns a sequence or array of integers as a tuple; `None` for anything else."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return None
    entries = tuple(value)
    return tuple(map(int, entries)) if all(map(is_integer, entries)) else None


def pair_of_sizes(
    name: str, value: Any, meaning: str = "(height, width)"
) -> tuple[int, int]:
    """Returns a pair of positive integers, or one integer twice."""
    if is_integer(value):
        side = check_positive_integer(name, value)
        return side, side
    sides = integers(value)
    if sides is None or len(sides) != 2 or min(sides) < 1:
        raise ValueError(
            f"`{name}` must be a positive integer or a pair of them, "
            f"`{meaning}`. Received: {name}={value!r}"
        )
    return sides[0], sides[1]
