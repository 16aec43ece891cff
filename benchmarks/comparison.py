"""Finds the figures of a page that are worse than those of an earlier one."""

import re
from collections.abc import Iterator

# Columns that say what was measured.
NAMES = frozenset(
    {
        *("network", "step", "mode", "route", "N", "M", "objects", "what", "file"),
        *("clip", "reader", "source", "loaded by", "number", "piece"),
        *("implementation", "dtype", "MODEL"),
    }
)
# Columns whose figures should be small.
LOW = frozenset(
    {
        *("milliseconds", "seconds", "CPU seconds", "CPU ms", "wall ms", "data_wait"),
        *("forward, ms", "with gradients, ms", "extra MB", "extra memory, MB"),
    }
)
# Columns whose figures should be large.
HIGH = frozenset({"clips per second", "views per second"})

Figures = dict[tuple[str, ...], float]


def regressions(before: str, after: str, limit: float = 0.05) -> list[str]:
    """Describes the figures that became worse by more than a share of themselves.

    Only machines of the same kind can be compared, so the lines say by how much.

    Args:
        before: Markdown with tables.
        after: The same, measured later.
        limit: The smallest share to describe.
    """
    old = figures(before)
    lines = []
    for key, value in figures(after).items():
        if key not in old or old[key] == 0 or value == 0:
            continue
        column = key[-1]
        ratio = value / old[key] if column in LOW else old[key] / value
        if ratio > 1 + limit:
            name = ", ".join(key)
            lines.append(f"{name}: {old[key]:g} -> {value:g}, {ratio:.2f}× worse")
    return lines


def figures(page: str) -> Figures:
    """The figures of all tables, by section, row and column.

    If a row comes several times in a section, the first one counts.
    """
    found: Figures = {}
    for section, header, cells in rows(page):
        pairs = list(zip(header, cells, strict=False))
        names = tuple(cell for column, cell in pairs if column in NAMES)
        for column, cell in pairs:
            number = re.match(r"-?\d+(\.\d+)?", cell.strip("*~ "))
            if column in LOW | HIGH and number:
                key = (section, *names, column)
                found.setdefault(key, float(number.group()))
    return found


def rows(page: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Section, header and cells of each row of each table."""
    section, header = "", None
    for line in page.splitlines():
        if line.startswith("## "):
            section = line[3:]
        if not line.startswith("|"):
            header = None
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if header is None:
            header = cells
        elif not set(line) <= set("|-: "):
            yield section, header, cells
