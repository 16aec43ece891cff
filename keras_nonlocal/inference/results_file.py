"""A file of scores that is written video by video and can be resumed."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.data.readers.video_reader import VideoError
from keras_nonlocal.inference.resumable_lines import ResumableLines

Key = tuple[str, float, float]


class ResultsFile(ResumableLines):
    """A JSON Lines file with the settings in its first line and one line per video.

    A line has the `path`, the `segment` (begin and end in seconds, or `null`), the
    `label` and the `scores`, or the `error` of a video that cannot be read. It is
    written when the video is finished. If a killed process left an incomplete last
    line, the line is dropped. Non-finite scores and times are written as the strings
    `"NaN"`, `"Infinity"` and `"-Infinity"`, because JSON has no such numbers.

    Args:
        path: The file. If it exists, new lines are appended.
        settings: Everything that the scores depend on, in JSON types.

    Raises:
        OtherSettingsError: If the file was written with different settings.
        ValueError: If the file is not a results file.
    """

    writer = "evaluate_videos"
    content = "scores"

    def known_scores(self, videos: VideoList) -> dict[int, np.ndarray]:
        """Returns the scores `(num_outputs,)` of the videos in the file.

        A video with an error is not among them, because it may be readable now.
        """
        known = {}
        for index in range(len(videos.paths)):
            line = self._lines.get(_key(*_path_and_segment(videos, index)), {})
            if "scores" in line:
                scores = [float(score) for score in line["scores"]]
                known[index] = np.array(scores, "float32")
        return known

    def write_outcome(
        self, videos: VideoList, index: int, outcome: np.ndarray | VideoError
    ) -> None:
        """Adds the line of a video, with its scores or the reason of its failure."""
        path, segment = _path_and_segment(videos, index)
        label = videos.labels[index] if videos.labels else None
        line: dict[str, Any] = {
            "path": path,
            "segment": segment and [*map(_json_number, segment)],
            "label": label,
        }
        if isinstance(outcome, VideoError):
            line["error"] = outcome.reason
        else:
            line["scores"] = [_json_number(float(score)) for score in outcome]
        self._write(line)

    def _key(self, line: Mapping[str, Any]) -> Key:
        return _key(line["path"], line["segment"])


def _path_and_segment(videos: VideoList, index: int) -> tuple[str, Any]:
    return videos.paths[index], videos.segments[index] if videos.segments else None


def _key(path: str, segment: Any) -> Key:
    begin, end = map(float, segment or (-1, -1))
    return path, begin, end


def _json_number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
