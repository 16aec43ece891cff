"""Finds the exported file that a path names."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

ExportedFormat = Literal["openvino", "onnx", "litert", "saved_model"]

_FORMATS: dict[str, ExportedFormat] = {
    ".xml": "openvino",
    ".onnx": "onnx",
    ".tflite": "litert",
}
_SAVED_MODEL = "saved_model.pb"


def find_exported_file(path: str | os.PathLike[str]) -> tuple[Path, ExportedFormat]:
    """Returns the file, or the folder of a SavedModel, and its format.

    Args:
        path: The file, its folder, or the folder with the versions of a model, of which
            the highest counts.

    Raises:
        ValueError: If there is no exported file.
    """
    given = Path(path)
    if given.suffix in _FORMATS and given.is_file():
        return given, _FORMATS[given.suffix]
    found = [*_files_in(given)] if given.is_dir() else []
    if not found and given.is_dir():
        versions = [each for each in given.iterdir() if each.name.isdecimal()]
        if versions:
            found = [*_files_in(max(versions, key=lambda each: int(each.name)))]
    if len(found) != 1:
        raise ValueError(
            "An exported model must be an .xml, .onnx or .tflite file, the folder of a "
            "SavedModel, or a folder with one of these, as `export_model` writes it. "
            f"Received: {str(given)!r}{_problem(given, found)}"
        )
    return found[0]


def is_exported(path: str | os.PathLike[str]) -> bool:
    """Whether a path names an exported file, by its name or by what the folder has."""
    given = Path(path)
    return given.suffix in _FORMATS or given.is_dir()


def _files_in(folder: Path) -> Iterator[tuple[Path, ExportedFormat]]:
    if (folder / _SAVED_MODEL).is_file():
        yield folder, "saved_model"
    elif folder.is_dir():
        for file in sorted(folder.iterdir()):
            if file.suffix in _FORMATS and file.is_file():
                yield file, _FORMATS[file.suffix]


def _problem(given: Path, found: list[tuple[Path, ExportedFormat]]) -> str:
    if not given.exists():
        return ", which does not exist"
    if found:
        return f", a folder with {' and '.join(file.name for file, _ in found)}"
    return ", a folder without any" if given.is_dir() else ""
