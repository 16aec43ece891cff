"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields the path of a file that takes the place of `path` at the end.

    Whoever reads `path` sees the old file or all of the new one, also after a loss of
    power. The yielded path is always the same, so that killed writers leave at most
    one file behind.

    Args:
        path: The file to write or to replace, in an existing folder.
    """
    unfinished = path.with_name(f".unfinished.{path.name}")
    yield unfinished
    with unfinished.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
