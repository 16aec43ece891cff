"""Checks values against type annotations and converts them to plain types and JSON.

The annotation of a field describes its values completely. `Annotated` adds bounds to a
number.
"""

import math
import os
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from keras_nonlocal.arguments import is_integer, is_number


@dataclass(frozen=True)
class Bounds:
    """The bounds of a number.

    Args:
        least: The smallest value.
        greatest: The largest value. Defaults to infinity, which is excluded.
        is_open: Whether `least` and `greatest` themselves are excluded.
    """

    least: float
    greatest: float = math.inf
    is_open: bool = False

    def __str__(self) -> str:
        if self.greatest < math.inf:
            between = "between" if self.is_open else "from"
            joined = "and" if self.is_open else "to"
            return f"{between} {self.least:g} {joined} {self.greatest:g}"
        if self.is_open:
            return "positive" if not self.least else f"more than {self.least:g}"
        return f"at least {self.least:g}"

    def hold(self, value: float) -> bool:
        """Whether a value is within the bounds."""
        if not math.isfinite(value):
            return False
        if self.is_open:
            return self.least < value < self.greatest
        return self.least <= value <= self.greatest


class FrozenMapping(Mapping[Any, Any]):
    """An immutable mapping that can be hashed and pickled."""

    def __init__(self, entries: Mapping[Any, Any]) -> None:
        self._entries = dict(entries)

    def __getitem__(self, key: Any) -> Any:
        return self._entries[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __hash__(self) -> int:
        return hash(frozenset(self._entries.items()))

    def __repr__(self) -> str:
        return repr(self._entries)


def plain_value(name: str, value: Any, kind: Any) -> Any:
    """Checks a value and converts it to a plain Python type.

    NumPy numbers become `int` or `float`, all numbers in a `float` field become
    `float`, paths become `str`, lists become `tuple`, and mappings become
    `FrozenMapping`.

    Args:
        name: Name of the argument, for errors.
        value: The user's value.
        kind: The annotation of the field.

    Raises:
        TypeError: If the value has the wrong type.
        ValueError: If the value is not one of the choices or is out of bounds.
    """
    if get_origin(kind) is Annotated:
        kind, *bounds = get_args(kind)
        value = plain_value(name, value, kind)
        for bound in bounds:
            if value is not None and not bound.hold(value):
                raise ValueError(f"`{name}` must be {bound}. Received: {name}={value}")
        return value
    is_union = get_origin(kind) in (Union, types.UnionType)
    choices = get_args(kind) if is_union else (kind,)
    literals = [c for choice in choices for c in _literals(choice)]
    if isinstance(value, str) and literals and str not in choices:
        if value in literals:
            return value
        listed = ", ".join(repr(literal) for literal in literals)
        raise ValueError(
            f"`{name}` must be one of {listed}. Received: {name}={value!r}"
        )
    for choice in choices:
        found, plain = _as_kind(name, value, choice)
        if found:
            return plain
    expected = " or ".join(_described(choice) for choice in choices)
    raise TypeError(f"`{name}` must be {expected}. Received: {name}={value!r}")


def as_json(value: Any) -> Any:
    """Converts a value to JSON types."""
    if isinstance(value, Mapping):
        return {key: as_json(entry) for key, entry in value.items()}
    return [as_json(entry) for entry in value] if isinstance(value, tuple) else value


def _literals(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()


def _as_kind(name: str, value: Any, kind: Any) -> tuple[bool, Any]:
    """Returns whether a value has a type that is not a union, and the plain value."""
    origin = get_origin(kind)
    if origin is Annotated:
        inner = get_args(kind)[0]
        found, _ = _as_kind(name, value, inner)
        return found, plain_value(name, value, kind) if found else None
    if kind is types.NoneType or kind is None:
        return value is None, None
    if origin is Literal:
        is_one = any(type(c) is type(value) and c == value for c in get_args(kind))
        return is_one, value
    if kind is object:
        return _as_plain(name, value)
    if kind is bool:
        return isinstance(value, bool), value
    if kind is int:
        return (True, int(value)) if is_integer(value) else (False, None)
    if kind is float:
        return (True, float(value)) if is_number(value) else (False, None)
    if kind is str:
        return isinstance(value, str), value
    if origin is os.PathLike:
        is_path = isinstance(value, os.PathLike)
        return is_path, os.fspath(value) if is_path else None
    if origin is tuple:
        return _as_tuple(name, value, get_args(kind))
    return _as_mapping(name, value, *get_args(kind))


def _as_plain(name: str, value: Any) -> tuple[bool, Any]:
    """Accepts any value with a JSON type."""
    if isinstance(value, Mapping):
        return _as_mapping(name, value, str, object)
    if isinstance(value, tuple | list):
        return _as_tuple(name, value, (object, Ellipsis))
    if is_integer(value):
        return True, int(value)
    if is_number(value):
        return math.isfinite(value), float(value)
    return value is None or isinstance(value, bool | str), value


def _as_tuple(name: str, value: Any, kinds: tuple[Any, ...]) -> tuple[bool, Any]:
    if not isinstance(value, tuple | list):
        return False, None
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        return False, None
    pairs = zip(value, kinds, strict=True)
    return True, tuple(plain_value(name, entry, kind) for entry, kind in pairs)


def _as_mapping(name: str, value: Any, key: Any, kind: Any) -> tuple[bool, Any]:
    if not isinstance(value, Mapping):
        return False, None
    entries = {
        plain_value(name, one, key): plain_value(name, other, kind)
        for one, other in value.items()
    }
    return True, FrozenMapping(entries)


def _described(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Annotated:
        return _described(get_args(kind)[0])
    if origin is Literal:
        return " or ".join(repr(literal) for literal in get_args(kind))
    if origin is tuple:
        kinds = get_args(kind)
        if kinds[-1] is Ellipsis:
            return f"a sequence, each entry {_described(kinds[0])}"
        return f"{len(kinds)} values, each {_described(kinds[0])}"
    if origin is os.PathLike:
        return "a path"
    if kind is types.NoneType:
        return "`None`"
    names = {int: "an integer", float: "a number", bool: "a bool", str: "a string"}
    names[object] = "a JSON value"
    return names.get(kind, "a mapping")
