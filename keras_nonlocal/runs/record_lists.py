"""Lists that `write-records` writes into the folder of the records that they name."""

import os

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
    from keras_nonlocal.data.lists.entries import numbered_lines
    from keras_nonlocal.data.lists.video_search import RECORD_EXTENSION

    _, first = next(numbered_lines(source), (0, ""))
    name = first.partition(",")[0]
    folder = os.path.dirname(source)
    is_record = name.endswith(RECORD_EXTENSION) and not os.path.dirname(name)
    return folder if is_record and os.path.isfile(os.path.join(folder, name)) else root
