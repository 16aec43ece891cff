"""The options that say which videos are meant."""

import argparse
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_nonlocal.data import VideoList

LIST_FORMATS = ("path-label", "path-labels", "kinetics", "charades")


def add_list_options(command: argparse.ArgumentParser) -> None:
    """Adds `--list-format` and `--root`."""
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


def read_videos(
    source: str, options: argparse.Namespace, names: tuple[str, ...] | None
) -> "VideoList":
    """The videos of a directory with a folder per class, or of a list.

    Args:
        source: The directory or the list.
        options: Those of `add_list_options`.
        names: The classes, `None` for those of the directory.

    Raises:
        ValueError: If there are none, or the list is not of the format.
    """
    from keras_nonlocal import data

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


def _several_labels(file: str, root: str, names: tuple[str, ...] | None) -> "VideoList":
    from keras_nonlocal.data import read_path_label_list

    return read_path_label_list(file, root, names, several_labels=True)
