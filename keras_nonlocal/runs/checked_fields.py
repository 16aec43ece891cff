"""`Group`: dataclasses that check their values, and the types of their fields."""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, get_type_hints

from keras_nonlocal.runs.typed_values import plain_value

# The results of `field_kinds`: annotations take long to resolve.
_KINDS: dict[Any, Mapping[str, Any]] = {}


class Group:
    """A frozen dataclass that checks the types of its values."""

    def __post_init__(self) -> None:
        for name, kind in field_kinds(type(self)).items():
            value = plain_value(name, getattr(self, name), kind)
            # A frozen dataclass accepts no ordinary assignment.
            object.__setattr__(self, name, value)


def field_kinds(group: Any) -> Mapping[str, Any]:
    """Returns the type of each field of a dataclass, with its bounds."""
    if group not in _KINDS:
        hints = get_type_hints(group, include_extras=True)
        kinds = {each.name: hints[each.name] for each in dataclasses.fields(group)}
        _KINDS[group] = types.MappingProxyType(kinds)
    return _KINDS[group]
