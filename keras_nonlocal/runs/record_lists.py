"""Lists that `write-records` writes into the folder of the records that they name."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from keras_nonlocal.runs.class_names import CLASS_NAMES_FILE, read_class_names

if TYPE_CHECKING:
    from keras_nonlocal.data import VideoList

RECORDS_FILE = "records.csv"


def list_in(source: str) -> str:
    """Returns the list in a folder of records, and any other source unchanged."""
    inside = os.path.join(source, RECORDS_FILE)
    return inside if os.path.isfile(inside) else source


def root_of_list(source: str, root: str) -> str:
    """Returns the folder to which the paths in a list are relative.

    Every folder of records has files of the same names. A list of such names is about
    those beside it, whatever folder the other lists of a command are relative to.

    Args:
        source: The list.
        root: The folder that the user gave for all lists.
    """
    return os.path.dirname(source) if _is_beside_records(source) else root


def class_names_beside(source: str) -> tuple[str, ...] | None:
    """Returns the names of the classes of a list of records, if they are beside it."""
    file = Path(source).with_name(CLASS_NAMES_FILE)
    if not file.is_file() or not _is_beside_records(source):
        return None
    return read_class_names(file)


def with_classes(
    videos: "VideoList", class_names: Sequence[str], source: str
) -> "VideoList":
    """Returns videos with labels that count in other classes.

    Args:
        videos: The videos of a list of records, with the names of their classes.
        class_names: The names of all classes.
        source: The list, for the error.

    Raises:
        ValueError: If a video has a class that is not among them.
    """
    places = {name: index for index, name in enumerate(class_names)}

    def number(label: int) -> int:
        name = (videos.class_names or ())[label]
        if name not in places:
            raise ValueError(
                f"The videos in {source!r} must have known classes. Received: "
                f"{name!r} in the file {CLASS_NAMES_FILE} beside it, which is not in "
                f"{[*class_names]}"
            )
        return places[name]

    labels = [
        tuple(map(number, label)) if isinstance(label, tuple) else number(label)
        for label in videos.labels or ()
    ]
    return replace(videos, labels=tuple(labels), class_names=tuple(class_names))


def _is_beside_records(source: str) -> bool:
    """Whether a list names records without a folder, in the folder of the list."""
    from keras_nonlocal.data.lists.entries import numbered_lines
    from keras_nonlocal.data.lists.video_search import RECORD_EXTENSION

    _, first = next(numbered_lines(source), (0, ""))
    name = first.partition(",")[0]
    if not name.endswith(RECORD_EXTENSION) or os.path.dirname(name):
        return False
    return os.path.isfile(os.path.join(os.path.dirname(source), name))
