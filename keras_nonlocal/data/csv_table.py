"""A CSV file that contains only complete lines, however the writing ends."""

import csv
import io
import os
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from keras_nonlocal.data.lists.video_search import PICTURE_EXTENSIONS
from keras_nonlocal.files import same_file


def check_own_file(
    argument: str,
    path: str | os.PathLike[str],
    inputs: Iterable[str | os.PathLike[str]],
) -> None:
    """Checks that a table replaces no input, under whatever name.

    Args:
        argument: Name of the argument, for the error.
        path: The table.
        inputs: Files, and folders of frames.

    Raises:
        ValueError: If the table is a folder, an input, or a picture in an input.
    """
    place = os.path.realpath(path)
    others = [*inputs]
    places = {os.path.realpath(other) for other in others}
    is_picture = place.lower().endswith(PICTURE_EXTENSIONS)
    if (
        os.path.isdir(place)
        or place in places
        or (is_picture and os.path.dirname(place) in places)
        or (_has_other_names(place) and any(same_file(place, o) for o in others))
    ):
        raise ValueError(
            f"`{argument}` must be a file of its own, not a folder or one of the "
            f"inputs. Received: {argument}={os.fspath(path)!r}"
        )


def _has_other_names(path: str) -> bool:
    return os.path.isfile(path) and os.stat(path).st_nlink > 1


class CsvTable:
    """Writes complete lines to a CSV file.

    Args:
        path: The file. An existing file is replaced.
        header: The first line.

    Raises:
        OSError: If the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], header: Iterable[str]) -> None:
        self._path = os.fspath(path)
        self._file = io.FileIO(self._path, "wb")
        self._size = 0
        try:
            self.write(header)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(self, values: Iterable[Any]) -> None:
        """Appends a line.

        Raises:
            OSError: If the disk is full. No partial line is left.
        """
        text = io.StringIO(newline="")
        csv.writer(text).writerow(values)
        # File names are bytes and not always UTF-8.
        line = text.getvalue().encode("utf-8", "surrogateescape")
        try:
            left = memoryview(line)
            while left:
                left = left[self._file.write(left) :]
        except BaseException as error:
            self._remove_partial_line()
            if isinstance(error, OSError):
                error.filename = self._path
            raise
        self._size += len(line)

    def _remove_partial_line(self) -> None:
        # A pipe cannot be cut, and the first error says more.
        with suppress(OSError):
            # Beyond the end, the next line would begin with zeros.
            self._file.seek(self._size)
            self._file.truncate()
