"""The file of class names beside a model."""

from collections.abc import Sequence
from pathlib import Path

from keras_nonlocal.files import replacing

CLASS_NAMES_FILE = "class_names.txt"


def write_class_names(folder: Path, names: Sequence[str]) -> None:
    """Writes the names to the file that commands look for beside a model."""
    from keras_nonlocal.data.lists.class_names import class_names_text

    content = class_names_text(names).encode("utf-8")
    with replacing(folder / CLASS_NAMES_FILE) as unfinished:
        unfinished.write_bytes(content)


def read_class_names(path: str | Path) -> tuple[str, ...]:
    """Reads the class names of a file; see `keras_nonlocal.data.lists.class_names`.

    Raises:
        ValueError: If a name occurs twice, or there are no names.
        OSError: If the file cannot be read.
    """
    from keras_nonlocal.data.lists import class_names

    return class_names.read_class_names(path)
