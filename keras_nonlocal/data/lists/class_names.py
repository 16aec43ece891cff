"""Class names in a text file, one per line, without loss.

Names of folders become names of classes, and folders can have any name, even with a
trailing space, a line break, or bytes that are not UTF-8. A name that does not fit in a
plain line is written as a JSON string in quotation marks.
"""

import json
import os
from collections.abc import Sequence

from keras_nonlocal.data.lists.entries import numbered_lines


def class_names_text(class_names: Sequence[str]) -> str:
    """Returns the names as the text of a file, which is ASCII or valid UTF-8."""
    return "".join(f"{_line(name)}\n" for name in class_names)


def read_class_names(file: str | os.PathLike[str]) -> tuple[str, ...]:
    """Reads names from a file in UTF-8 or, with a byte order mark, UTF-16.

    Blank lines are ignored.

    Raises:
        ValueError: If there are no names, or a name occurs twice.
        OSError: If the file cannot be opened.
    """
    names: dict[str, int] = {}
    for number, line in numbered_lines(file):
        name = _name(line)
        if name in names:
            raise ValueError(
                f"{os.fspath(file)!r} must have a different class name on each line. "
                f"Received: {name!r} on the lines {names[name]} and {number}"
            )
        names[name] = number
    if not names:
        raise ValueError(
            f"{os.fspath(file)!r} must have a class name on each line. Received: none"
        )
    return tuple(names)


def _line(name: str) -> str:
    is_plain = name.isprintable() and name == name.strip() and name[:1] not in ('"', "")
    return name if is_plain else json.dumps(name)


def _name(line: str) -> str:
    if line[0] == line[-1] == '"':
        try:
            name = json.loads(line)
        except ValueError:
            return line
        return name if isinstance(name, str) else line
    return line
