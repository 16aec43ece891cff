"""Options that are derived from the fields of settings."""

import argparse
import types
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from keras_nonlocal.runs import TrainingSettings
from keras_nonlocal.runs.grouped_settings import (
    GroupedSettings,
    field_types,
    fields_by_name,
)


def add_field(
    group: Any,
    name: str,
    help_text: str,
    settings: type[GroupedSettings] = TrainingSettings,
    **arguments: Any,
) -> None:
    """Adds the option of a field of settings.

    Type, choices and default are those of the field. An omitted option is missing in
    the parsed options.

    Args:
        group: A parser or a group of one.
        name: Name of the field.
        help_text: Help text, to which the default is added.
        settings: The settings that have the field. Defaults to `TrainingSettings`.
        **arguments: Arguments of `add_argument` that override those derived from the
            field.
    """
    default = getattr(getattr(settings(), fields_by_name(settings)[name]), name)
    if "default:" not in help_text:
        help_text = f"{help_text} (default: {_written(default)})".lstrip()
    group.add_argument(
        f"--{name.replace('_', '-')}",
        default=argparse.SUPPRESS,
        help=help_text.replace("%", "%%"),
        **(_arguments_of(field_types(settings)[name]) | arguments),
    )


def given_fields(
    options: argparse.Namespace, settings: type[GroupedSettings] = TrainingSettings
) -> dict[str, Any]:
    """Returns the fields for which the user gave a value."""
    known = fields_by_name(settings)
    return {name: value for name, value in vars(options).items() if name in known}


def _arguments_of(kind: Any) -> dict[str, Any]:
    """Returns the arguments of `add_argument` for a type."""
    kind = _without_bounds(kind)
    if get_origin(kind) in (Union, types.UnionType):
        first = next(c for c in get_args(kind) if c is not types.NoneType)
        return _arguments_of(first)
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        return {"choices": choices, "type": type(choices[0])}
    if get_origin(kind) is tuple:
        first, *others = get_args(kind)
        nargs = "+" if others == [Ellipsis] else 1 + len(others)
        return _arguments_of(first) | {"nargs": nargs}
    convert: Callable[[str], Any] = kind if kind in (int, float) else str
    return {"type": convert}


def _without_bounds(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _written(value: Any) -> str:
    """Returns a default as written on the command line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " ".join(map(_written, value)) or "none"
    if value in (None, ""):
        return "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
