"""What the classes of a model are called: a file that lies beside it."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_FILE = "class_names.txt"


def add_class_names_option(command: Any, otherwise: str) -> None:
    """Adds `--class-names` to a command that takes a model.

    Args:
        command: A parser or a group of one.
        otherwise: What the names are where no file lies beside the model.
    """
    command.add_argument(
        "--class-names",
        metavar="FILE",
        default=None,
        help="one name per line, in the classes' order (default: the file "
        f"{_FILE} beside the model, which `train` writes; without it, {otherwise})",
    )


def write_class_names(folder: Path, names: Sequence[str] | None) -> None:
    """Writes them where the commands that take the model look for them."""
    if names is not None:
        (folder / _FILE).write_text("".join(f"{name}\n" for name in names), "utf-8")


def read_class_names(path: str) -> tuple[str, ...]:
    """The lines of a file that are not empty."""
    with open(path, encoding="utf-8") as file:
        names = tuple(line.strip() for line in file if line.strip())
    if len({*names}) < len(names) or not names:
        raise ValueError(
            "`--class-names` must have a different name on each line. "
            f"Received: {len(names)} names, {len({*names})} different ones, in {path!r}"
        )
    return names


def class_names_in_file(
    model: Any, options: argparse.Namespace
) -> tuple[str, ...] | None:
    """The names in the file of `--class-names`, or in the one beside the model."""
    file = options.class_names
    if file is None:
        beside = Path(options.model).with_name(_FILE)
        if not beside.is_file():
            return None
        file = str(beside)
    names = read_class_names(file)
    if len(names) != model.output_shape[-1]:
        raise ValueError(
            f"`--class-names` must have the {model.output_shape[-1]} classes of the "
            f"model. Received: {len(names)} names in {file!r}"
        )
    return names


def class_names_of(model: Any, options: argparse.Namespace) -> tuple[str, ...] | None:
    """Names for the scores of a model, if they are known: the file's or Kinetics'."""
    from keras_nonlocal.models.predictions import kinetics400_names

    names = class_names_in_file(model, options) or kinetics400_names()
    return names if model.output_shape[-1] == len(names) else None


def class_names_or_numbers(model: Any, options: argparse.Namespace) -> tuple[str, ...]:
    """As `class_names_of`, and the numbers of the classes where there are no names."""
    names = class_names_of(model, options)
    return names or tuple(map(str, range(model.output_shape[-1])))
