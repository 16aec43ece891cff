"""The options that say which videos are meant, and what their classes are called."""

import argparse
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_nonlocal.data import VideoList

LIST_FORMATS = ("path-label", "path-labels", "kinetics", "charades")


def add_list_options(command: argparse.ArgumentParser) -> None:
    """Adds `--list-format`, `--root` and `--class-names`."""
    command.add_argument(
        "--list-format",
        choices=LIST_FORMATS,
        default=LIST_FORMATS[0],
        help="of a list: path-label is a path and a class number per line, path-labels "
        "several numbers, kinetics and charades are the CSV files of these data sets "
        "(default: %(default)s)",
    )
    command.add_argument(
        "--root", metavar="DIR", default="", help="where the paths of a list start"
    )
    command.add_argument(
        "--class-names", metavar="FILE", help="one name per line, in the classes' order"
    )


def read_videos(source: str, options: argparse.Namespace) -> "VideoList":
    """The videos of a directory with a folder per class, or of a list.

    Raises:
        ValueError: If there are none, or the list is not of the format.
    """
    from keras_nonlocal import data

    names = None
    if options.class_names is not None:
        names = read_class_names(options.class_names)
    if os.path.isdir(source):
        return data.list_directory(source, class_names=names)
    if not os.path.isfile(source):
        raise ValueError(
            "The videos must be a directory with a folder per class, or a list. "
            f"Received: {source!r}"
        )
    readers: dict[str, Callable[..., VideoList]] = {
        "path-label": data.read_path_label_list,
        "path-labels": _several_labels,
        "kinetics": data.read_kinetics_csv,
        "charades": data.read_charades_csv,
    }
    return readers[options.list_format](source, options.root, names)


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


def class_names_of(model: Any, file: str | None) -> tuple[str, ...]:
    """Names for the scores of a model: those of the file, of Kinetics, or numbers."""
    from keras_nonlocal.models.predictions import kinetics400_names

    count = model.output_shape[-1]
    if file is not None:
        names = read_class_names(file)
        if len(names) != count:
            raise ValueError(
                f"`--class-names` must have the {count} classes of the model. "
                f"Received: {len(names)} names in {file!r}"
            )
        return names
    if count == len(kinetics400_names()):
        return kinetics400_names()
    return tuple(map(str, range(count)))


def _several_labels(file: str, root: str, names: tuple[str, ...] | None) -> "VideoList":
    from keras_nonlocal.data import read_path_label_list

    return read_path_label_list(file, root, names, several_labels=True)
