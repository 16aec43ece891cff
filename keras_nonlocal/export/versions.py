"""Numbered version folders that appear only when they are complete."""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path


def write_version(
    directory: Path, version: int | None, write: Callable[[Path], None]
) -> Path:
    """Writes a folder `directory/version` that no server sees before it is complete.

    Args:
        directory: Folder with the versions of one model, created if it does not exist.
        version: Number of the new folder, or `None` for one more than the highest
            number.
        write: Function called with an empty folder to fill, which is renamed
            afterwards.

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
            # Another process may have taken this number in the meantime.
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
