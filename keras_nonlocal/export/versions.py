"""Numbered folders, each of which appears only when it is complete."""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path


def write_version(
    directory: Path, version: int | None, write: Callable[[Path], None]
) -> Path:
    """Writes a folder `directory/version` that no server ever sees unfinished.

    Args:
        directory: Holds the versions of one model; created if it does not exist.
        version: Number of the new folder. `None`: one more than the highest.
        write: Is called with an empty folder to fill, which then gets its name.

    Returns:
        The new folder.

    Raises:
        ValueError: If the version exists.
    """
    if version is not None:
        _check_free(directory, version)
    directory.mkdir(parents=True, exist_ok=True)
    unfinished = directory / f".{uuid.uuid4().hex}.unfinished"
    unfinished.mkdir()
    try:
        write(unfinished)
        return _give_number(unfinished, directory, version)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _give_number(unfinished: Path, directory: Path, version: int | None) -> Path:
    while True:
        target = directory / str(_next(directory) if version is None else version)
        try:
            return unfinished.rename(target)
        except OSError:
            # Another process may have taken the number meanwhile.
            if not target.exists():
                raise
            if version is not None:
                _check_free(directory, version)


def _next(directory: Path) -> int:
    return 1 + max(_numbers(directory), default=0)


def _check_free(directory: Path, version: int) -> None:
    if directory.is_dir() and version in _numbers(directory):
        raise ValueError(
            "`version` must be a number that `directory` does not hold yet. "
            f"Received: version={version} with directory={str(directory)!r}"
        )


def _numbers(directory: Path) -> list[int]:
    return [int(path.name) for path in directory.iterdir() if path.name.isdecimal()]
