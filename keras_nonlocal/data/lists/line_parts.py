"""Splits a line of a list into its path and its class indices.

These files have no standard. They are written by hand, by a loop or by pandas, and
their paths may contain spaces, commas and semicolons. A line is therefore parsed from
its end. The numbers at the end are the labels, the character before them is the
separator, and everything before that is the path. A path that is still ambiguous,
because it ends in a number, can be put in quotation marks.
"""

import re
from collections.abc import Sequence

# A quoted field of `csv` and pandas, in which quotation marks are doubled.
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
_QUOTED_LABELS = re.compile(r'([\s,;])\s*"[\d\s,;]*"([\s,;]+("[\d\s,;]*"|\d+))*$')
# Longer numbers are not class indices, and Python rejects thousands of digits.
_NUMBER = r"[0-9]{1,18}"
_SEPARATED_BY_MARK = re.compile(rf"(.+?)\s*([,;])\s*({_NUMBER}(?:\s*\2\s*{_NUMBER})*)")
# A line that can be read in one way only, as most can.
_PLAIN = re.compile(rf'([^\s,;"]+(?: [^\s,;"]+)*)\s+({_NUMBER})')
# In `a.mp4 3,17`, the 3 is also a label: commas separate the labels, and a different
# character separates them from the path.
_ENDS_IN_LABEL = re.compile(
    rf"(.*\.[A-Za-z]\w*)\s+({_NUMBER})|(.+?)\s*[;\t]\s*({_NUMBER})"
)


def is_number(text: str) -> bool:
    """Whether a text is a number that may be a class index or a count."""
    return re.fullmatch(_NUMBER, text.strip()) is not None


def path_and_indices(line: str, several: bool) -> tuple[str, tuple[int, ...]] | None:
    """Splits a line into path and class indices; `None` if it is malformed."""
    plain = None if several else _PLAIN.fullmatch(line)
    if plain is not None:
        return plain[1], (int(plain[2]),)
    line = _with_plain_labels(line)
    quoted = _QUOTED.match(line)
    if quoted and re.match(r"[\s,;]", line[quoted.end() :]):
        # The quotation marks end the path, so every number after them is a label.
        indices = re.split(r"[\s,;]+", line[quoted.end() :])[1:]
        is_wrong = len(indices) > 1 and not (several or re.search("[,;]", line))
        if is_wrong or not all(map(is_number, indices)):
            return None
        return unquoted(quoted[0]), _numbers(indices)
    marked = _SEPARATED_BY_MARK.fullmatch(line)
    if marked:
        path, indices = marked[1], re.split("[,;]", marked[3])
        first = _ENDS_IN_LABEL.fullmatch(path) if marked[2] == "," else None
        if first:
            path, indices = first[1] or first[3], [first[2] or first[4], *indices]
        return path, _numbers(indices)
    if several:
        path, numbers = trailing_numbers(line)
        return (path, numbers) if numbers else None
    spaced = re.fullmatch(rf"(.*\S)\s+({_NUMBER})", line)
    return None if spaced is None else (spaced[1], (int(spaced[2]),))


def unquoted(text: str) -> str:
    """Returns a field without the quotation marks around it, if there are any."""
    quoted = _QUOTED.fullmatch(text)
    return text if quoted is None else quoted[1].replace('""', '"')


def spaced_fields(line: str) -> list[str]:
    """Splits a line at whitespace outside of quotation marks."""
    parts = re.findall(r'"(?:[^"]|"")*"(?=\s|$)|\S+', line)
    return [unquoted(part) for part in parts]


def _with_plain_labels(line: str) -> str:
    """Removes the quotation marks of labels at the end: `"3,17"` or `"3","17"`."""
    fields = _QUOTED_LABELS.search(line)
    if fields is None:
        return line
    mark = "," if fields[1].isspace() else fields[1]
    indices = [part for part in re.split(r'[\s,;"]+', fields[0]) if part]
    return f"{line[: fields.start()]}{mark}{mark.join(indices)}"


def trailing_numbers(line: str) -> tuple[str, tuple[int, ...]]:
    """Splits the numbers at the end of a line from the text before them."""
    numbers = re.search(rf"(\s+{_NUMBER})*$", line)
    end = len(line) if numbers is None else numbers.start()
    return line[:end], _numbers(line[end:].split())


def _numbers(parts: Sequence[str]) -> tuple[int, ...]:
    return tuple(map(int, parts))
