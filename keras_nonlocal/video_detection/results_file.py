"""A file of detections that is written frame by frame and can be resumed."""

import hashlib
import json
import os
from collections.abc import Hashable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from keras_nonlocal import files
from keras_nonlocal.inference.resumable_lines import ResumableLines
from keras_nonlocal.video_detection.detections import FrameDetections


class VideoResultsFile(ResumableLines):
    """A JSON Lines file with the settings in its first line and one line per frame.

    Lines are read one after the other and never kept, so the memory does not depend on
    the length of the video.

    Args:
        path: The file. If it exists, new lines are appended.
        settings: Everything that the detections depend on, in JSON types.

    Raises:
        OtherSettingsError: If the file was written with different settings.
        ValueError: If the file is not a results file.
    """

    writer = "detect_video"
    content = "detections"

    def num_known(self, indices: np.ndarray, times: np.ndarray) -> int:
        """Returns how many of the first lines are those of the expected frames.

        Args:
            indices: The expected frames, in order.
            times: Their times in seconds.
        """
        count = 0
        expected = zip(indices.tolist(), times.tolist(), strict=True)
        for frame, (index, time) in zip(read_lines(self._path), expected, strict=False):
            if (frame.index, frame.time) != (index, time):
                break
            count += 1
        return count

    def keep_first(self, count: int) -> None:
        """Removes all lines after the first `count` frames."""
        with open(self._path, "rb") as file:
            length = sum(len(line) for line in islice(file, count + 1))
        if self._file is not None:
            self._file.truncate(length)

    def frames(self, count: int) -> Iterator[FrameDetections]:
        """Yields the first `count` frames."""
        return islice(read_lines(self._path), count)

    def write(self, frame: FrameDetections) -> None:
        """Adds the line of a frame."""
        self._write(frame.to_line())

    def _keep(self, line: dict[str, Any]) -> None:
        FrameDetections.from_line(line)

    def _key(self, line: Mapping[str, Any]) -> Hashable:
        return line["frame"]


def read_lines(path: str | os.PathLike[str]) -> Iterator[FrameDetections]:
    """Yields the frames of a results file."""
    with open(path, encoding="utf-8") as file:
        mask_format = json.loads(next(file))["settings"]["masks"]
        for line in file:
            yield FrameDetections.from_line(json.loads(line), mask_format)


def content_digest(path: str) -> str:
    """Returns a hash of the content of a file, or of a folder of pictures."""
    if not files.is_directory(path):
        with files.open_bytes(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]  # type: ignore[arg-type]
    digest = hashlib.sha256()
    for folder, _, names in files.walk(path):
        for name in names:
            inner = os.path.join(folder, name)
            digest.update(os.fsencode(os.path.relpath(inner, path)) + b"\0")
            digest.update(content_digest(inner).encode())
    return digest.hexdigest()[:32]
