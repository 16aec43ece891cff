"""A file of JSON lines that grows result by result, and that can be resumed."""

import abc
import json
import os
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Self, TextIO

from keras_nonlocal.files import check_readable, local_file, lock


class OtherSettingsError(ValueError):
    """A file holds results of another model, or for other arguments."""


class ResumableLines(abc.ABC):
    """JSON Lines: the settings in the first line, then a line per result.

    A last line that a killed process left incomplete is dropped.

    Args:
        path: The file. If it exists, it is continued.
        settings: Everything that the results depend on, as JSON has it.

    Raises:
        OtherSettingsError: If the file was written with other settings.
        ValueError: If the file is no file of results.
    """

    writer: ClassVar[str]
    content: ClassVar[str]

    def __init__(
        self, path: str | os.PathLike[str], settings: Mapping[str, Any]
    ) -> None:
        self._path = os.fspath(path)
        self._settings = dict(settings)
        self._lines: dict[Hashable, dict[str, Any]] = {}
        self._file: TextIO | None = None
        length = self._read() if os.path.exists(self._path) else 0
        self._open(length)

    @classmethod
    @contextmanager
    def opened(
        cls,
        path: str | os.PathLike[str] | None,
        settings: Callable[[], Mapping[str, Any]],
    ) -> Iterator[Self | None]:
        """Opens a file for this process only, or yields `None` without a path.

        Args:
            path: The file.
            settings: Returns the settings. It is called only if there is a path.

        Raises:
            OSError: If the path is a pipe or a device.
            OtherSettingsError: If the file was written with other settings.
            ValueError: If the file is no file of results, or cannot be one.
        """
        if path is None:
            yield None
            return
        path = local_file("results_file", path)
        if path.exists():
            check_readable(os.fspath(path))
        values = settings()
        with lock(path, "results_file"):
            lines = cls(path, values)
            try:
                yield lines
            finally:
                lines.close()

    @abc.abstractmethod
    def _key(self, line: Mapping[str, Any]) -> Hashable:
        """Returns what tells a line from others; a later one replaces an earlier."""

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._file is None:
            raise ValueError(f"The file is closed. Received: {self._path!r}")
        self._file.write(json.dumps(line, allow_nan=False) + "\n")
        self._file.flush()

    def _read(self) -> int:
        """Reads the complete lines and returns their length in bytes."""
        with open(self._path, "rb") as file:
            first = file.readline()
            if not first.endswith(b"\n"):
                if not self._first_line().startswith(first):
                    raise self._not_ours()
                return 0
            length = len(first)
            try:
                # From bytes, `json` would take other encodings than UTF-8, too.
                found = dict(json.loads(first.decode())["settings"])
                for line in file:
                    if line.endswith(b"\n"):
                        self._keep(json.loads(line.decode()))
                        length += len(line)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise self._not_ours() from error
        self._check_settings(found)
        return length

    def _keep(self, line: dict[str, Any]) -> None:
        self._lines[self._key(line)] = line

    def _check_settings(self, found: dict[str, Any]) -> None:
        differing = sorted(
            name
            for name in {*found, *self._settings}
            if found.get(name) != self._settings.get(name)
        )
        # The others may differ because the model or the video does.
        differing = next(([n] for n in ("model", "video") if n in differing), differing)
        if differing:
            raise OtherSettingsError(
                f"`results_file` holds {self.content} for other arguments; name a new "
                f"file. Received: results_file={self._path!r} with another "
                f"{', '.join(differing)}"
            )

    def _open(self, length: int) -> None:
        self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115
        # Drops the last line if it is incomplete.
        self._file.truncate(length)
        if length == 0:
            self._write({"settings": self._settings})

    def _first_line(self) -> bytes:
        return json.dumps({"settings": self._settings}).encode()

    def _not_ours(self) -> ValueError:
        return ValueError(
            f"`results_file` must be a file that `{self.writer}` wrote. "
            f"Received: results_file={self._path!r}"
        )
