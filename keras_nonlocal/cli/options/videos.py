"""The options for lists of videos."""

import argparse
import os
from collections.abc import Iterable
from typing import get_args

from keras_nonlocal.runs.setting_groups import ListFormat

LIST_FORMATS: tuple[ListFormat, ...] = get_args(ListFormat)


def add_list_options(command: argparse.ArgumentParser) -> None:
    """Adds `--list-format` and `--root`."""
    command.add_argument(
        "--list-format",
        choices=LIST_FORMATS,
        default=LIST_FORMATS[0],
        help="format of a list: path-label has a path and a class index per line, "
        "path-labels has several indices, kinetics and charades are the CSV files of "
        "these data sets (default: %(default)s)",
    )
    command.add_argument(
        "--root",
        metavar="DIR",
        default="",
        help="folder to which the paths in a list are relative",
    )


def check_csv_file(csv_file: str | None, inputs: Iterable[str]) -> None:
    """Checks that a CSV file can be written without replacing an input.

    Raises:
        ValueError: If the file is an input, or its folder does not exist.
    """
    if csv_file is None:
        return
    folder = os.path.dirname(csv_file)
    if folder and not os.path.isdir(folder):
        raise ValueError(
            f"`csv` must be a file in a folder that exists. Received: csv={csv_file!r}"
        )
    from keras_nonlocal.data.csv_table import check_own_file

    check_own_file("csv", csv_file, inputs)
