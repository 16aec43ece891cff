"""Splits many lines of a list at once, if they all have the simplest form.

Lists of millions of videos would otherwise take seconds. `line_parts` reads the others,
one line at a time, with the same results.
"""

import os
import re
from collections.abc import Sequence

# Marks of other forms, and whitespace other than single spaces.
_OTHERS = (*';"\0\t\x0b\x0c\x1c\x1d\x1e\x1f', "  ", " \n", " \r", "\n ", "\r ")
_OTHER_SPACE = re.compile(r"[^\S \r\n]")
_LABEL = re.compile(r"([0-9]{1,18})(?:\r\n|\n|\r)?")


def split_plain_lines(
    lines: Sequence[str],
) -> tuple[list[str], list[str], dict[str, int]] | None:
    """Splits lines that are a path and one class index each.

    The index follows a space, or a comma in lines without spaces.

    Args:
        lines: With their ends.

    Returns:
        The paths; the texts after them; and the index that each of these texts stands
        for. The result is `None` if a line has a different form.
    """
    text = "".join(lines)
    if any(other in text for other in _OTHERS) or text.startswith(" "):
        return None
    if not text.isascii() and _OTHER_SPACE.search(text):
        return None
    has_spaces = " " in text
    if text.count(",") != (0 if has_spaces else len(lines)):
        return None
    mark = " " if has_spaces else ","
    paths, ends = [], []
    for line in lines:
        path, _, end = line.rpartition(mark)
        paths.append(path)
        ends.append(end)
    indices = {}
    for end in {*ends}:
        label = _LABEL.fullmatch(end)
        if label is None:
            return None
        indices[end] = int(label[1])
    return (paths, ends, indices) if all(paths) else None


def joined(root: str | os.PathLike[str], paths: Sequence[str]) -> Sequence[str]:
    """Returns `os.path.join(root, path)` for each path."""
    root = os.fspath(root)
    if not root:
        return paths
    if os.sep != "/":
        return [os.path.join(root, path) for path in paths]
    start = os.path.join(root, "")
    return [path if path.startswith("/") else start + path for path in paths]
