"""Files of JSON lines, local or remote, and many of them at a time."""

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from keras_nonlocal import files

# Files at a time. Remote storage answers late, but to many at once.
_NUM_THREADS = 16


def write_lines(path: str, lines: Iterable[str]) -> None:
    """Replaces a file atomically by one of these lines."""
    with files.replacing(path) as unfinished, unfinished.open("w") as file:
        file.writelines(f"{line}\n" for line in lines)


def read_lines(path: str) -> list[Any] | None:
    """Returns the values in the lines of a file, or `None` if there is no file."""
    try:
        with files.open_bytes(path) as file:
            return [*map(json.loads, file)]
    except FileNotFoundError:
        return None


def read_json(path: str) -> Any:
    """Returns the value in the first line of a file, or `None` if there is no file."""
    lines = read_lines(path)
    return lines[0] if lines else None


def read_many(paths: Sequence[str]) -> list[Any]:
    """Returns `read_json` of each file."""
    return for_each(read_json, paths)


def for_each(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Returns the results of a function that waits for files, called in threads."""
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        return [*pool.map(function, items)]
