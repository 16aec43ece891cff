"""Scores of videos in a file that grows video by video and can be gone on with."""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any, TextIO

import keras
import numpy as np

Key = tuple[str, float, float]


class OtherSettingsError(ValueError):
    """A file holds scores of another model, or that were asked for otherwise."""


class ResultsFile:
    """JSON Lines: what was asked for in the first, then a line per video.

    A line has the `path`, the `segment` (begin and end in seconds, or `null`), the
    `label` and the `scores`, or the `error` of a video that cannot be read. Each is
    written when the video is finished. What a killed process left of a last line is
    dropped.

    Args:
        path: The file; if there is one, it is gone on with.
        settings: What the scores depend on, as JSON has it.

    Raises:
        OtherSettingsError: If the settings differ, with what differs.
        ValueError: If the file is of something else.
    """

    def __init__(
        self, path: str | os.PathLike[str], settings: Mapping[str, Any]
    ) -> None:
        self._path = os.fspath(path)
        self._settings = dict(settings)
        self._lines: dict[Key, dict[str, Any]] = {}
        self._file: TextIO | None = None
        length = self._read() if os.path.exists(self._path) else 0
        self._open(length)

    def scores(self, path: str, segment: tuple[float, float] | None) -> Any:
        """Returns the scores `(classes,)` of a video, its error, or `None`.

        Errors are not final: a file that could not be read may be there now.
        """
        line = self._lines.get(_key(path, segment))
        if line is None or "scores" not in line:
            return None
        return np.array(line["scores"], "float32")

    def write(
        self,
        path: str,
        segment: tuple[float, float] | None,
        label: Any,
        *,
        scores: np.ndarray | None = None,
        error: str | None = None,
    ) -> None:
        """Adds the line of a video."""
        line: dict[str, Any] = {"path": path, "segment": segment, "label": label}
        if scores is not None:
            line["scores"] = [float(score) for score in scores]
        else:
            line["error"] = error
        self._write(line)

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._file is None:
            raise ValueError(f"The file is closed. Received: {self._path!r}")
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def _read(self) -> int:
        """Reads whole lines and returns their length in bytes."""
        with open(self._path, "rb") as file:
            content = file.read()
        length = content.rfind(b"\n") + 1
        if length == 0 and not self._first_line().startswith(content):
            raise self._not_ours()
        try:
            lines = [json.loads(line) for line in content[:length].splitlines()]
            found = lines[0]["settings"] if lines else self._settings
            self._lines = {_key(x["path"], x["segment"]): x for x in lines[1:]}
        except (ValueError, KeyError, TypeError) as error:
            raise self._not_ours() from error
        differing = sorted(
            name
            for name in {*found, *self._settings}
            if found.get(name) != self._settings.get(name)
        )
        if differing:
            raise OtherSettingsError(
                "`results_file` holds scores that were asked for otherwise; name a new "
                f"file. Received: results_file={self._path!r} with another "
                f"{', '.join(differing)}"
            )
        return length

    def _open(self, length: int) -> None:
        # What was cut off in the middle of a line is written over.
        self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115
        self._file.truncate(length)
        if length == 0:
            self._write({"settings": self._settings})

    def _first_line(self) -> bytes:
        return json.dumps({"settings": self._settings}).encode()

    def _not_ours(self) -> ValueError:
        return ValueError(
            "`results_file` must be one that `evaluate_videos` began. "
            f"Received: results_file={self._path!r}"
        )


def model_fingerprint(model: keras.Model) -> str:
    """A short hash of the structure of a model and the values of all its weights."""
    digest = hashlib.sha256(model.to_json().encode())
    for weight in model.weights:
        value = keras.ops.convert_to_numpy(weight)
        digest.update(f"{value.shape}{value.dtype}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()[:16]


def _key(path: str, segment: Any) -> Key:
    return (path, *(segment or (-1.0, -1.0)))
