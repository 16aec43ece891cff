"""`GroupedSettings`: settings of a run in groups, as one immutable value."""

import dataclasses
import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from keras_nonlocal.runs.checked_fields import field_kinds
from keras_nonlocal.runs.setting_groups import PathName
from keras_nonlocal.runs.typed_values import as_json

CONFIG_FILE = "config.json"


@dataclass(frozen=True, kw_only=True)
class GroupedSettings:
    """A frozen dataclass whose fields are groups of settings.

    Fields of different groups have different names, so that `replace` and the options
    of a command need no group.
    """

    def __post_init__(self) -> None:
        for name, kind in field_kinds(type(self)).items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise TypeError(
                    f"`{name}` must be a {kind.__name__}. Received: {name}={value!r}"
                )

    def replace(self, **changes: Any) -> Self:
        """Returns settings with changed values.

        Args:
            **changes: Fields of any group, such as `learning_rate=0.1`; or a whole
                group, such as `clips=ClipSettings(num_frames=16)`.

        Raises:
            ValueError: If a field does not exist or its value is invalid.
            TypeError: If a value has the wrong type.
        """
        groups = field_kinds(type(self))
        group_of = fields_by_name(type(self))
        whole = {
            name: value
            for name, value in changes.items()
            if name in groups
            and (name not in group_of or isinstance(value, groups[name]))
        }
        changed: dict[str, dict[str, Any]] = {}
        for name in changes.keys() - whole.keys():
            if name not in group_of:
                raise ValueError(_unknown(name, group_of))
            changed.setdefault(group_of[name], {})[name] = changes[name]
        result = dataclasses.replace(self, **whole)
        parts = {
            group: dataclasses.replace(getattr(result, group), **values)
            for group, values in changed.items()
        }
        return dataclasses.replace(result, **parts)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Returns the values by group and field, in JSON types."""
        return {
            group: {
                name: as_json(getattr(getattr(self, group), name))
                for name in field_kinds(kind)
            }
            for group, kind in field_kinds(type(self)).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Mapping[str, Any]]) -> Self:
        """Creates settings from the result of `to_dict`.

        Args:
            values: Values by group and field. Missing values have their defaults.

        Raises:
            ValueError: If a group or a field does not exist, or a value is not one of
                the choices or is out of bounds.
            TypeError: If a value has the wrong type.
        """
        groups = field_kinds(cls)
        parts = {}
        if not isinstance(values, Mapping):
            raise TypeError(
                f"`values` must be a mapping of groups. Received: values={values!r}"
            )
        for group, fields in values.items():
            if group not in groups:
                raise ValueError(_unknown(group, groups))
            if not isinstance(fields, Mapping):
                raise TypeError(
                    f"`{group}` must be a mapping. Received: {group}={fields!r}"
                )
            kinds = field_kinds(groups[group])
            for name in fields:
                if name not in kinds:
                    raise ValueError(_unknown(f"{group}.{name}", kinds))
            parts[group] = groups[group](**fields)
        return cls(**parts)

    @classmethod
    def load(cls, path: PathName) -> Self:
        """Reads the settings of a run folder.

        Args:
            path: The folder, or its `config.json`.

        Raises:
            ValueError: If the file does not contain settings.
            OSError: If it cannot be read.
        """
        file = Path(path)
        if file.is_dir():
            file /= CONFIG_FILE
        try:
            values = json.loads(file.read_text(encoding="utf-8"))["settings"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"The file must contain training settings. Received: {file}"
            ) from error
        return cls.from_dict(values)


def fields_by_name(settings: type[GroupedSettings]) -> dict[str, str]:
    """Returns the group of each field. No two groups have a field of the same name."""
    return {
        name: group
        for group, kind in field_kinds(settings).items()
        for name in field_kinds(kind)
    }


def field_types(settings: type[GroupedSettings]) -> dict[str, Any]:
    """Returns the type of each field, with its bounds."""
    return {
        name: hint
        for kind in field_kinds(settings).values()
        for name, hint in field_kinds(kind).items()
    }


def _unknown(name: str, known: Mapping[str, Any]) -> str:
    last = name.rpartition(".")[2]
    near = difflib.get_close_matches(last, known, n=1)
    hint = f"; `{near[0]}` is near" if near else ""
    return f"Settings must have known names{hint}. Received: {name}"
