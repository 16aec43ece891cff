"""Files that end before their videos do."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_nonlocal.data.readers import VideoError

_DURATION = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d*)?)")
_MICROSECONDS = 1e-6
# Seconds; not every program stores how long the last frame is shown.
_LAST_FRAME = 0.5


def check_complete(
    path: str,
    container: Any,
    stream: Any,
    num_packets: int,
    ends: Sequence[int],
) -> None:
    """Refuses a file that announces more of a video than it holds.

    Only containers that say so reliably are asked: MP4 counts the frames, Matroska and
    WebM of most programs tell when the video ends.

    Args:
        path: What errors call the video.
        container: The file, opened by PyAV.
        stream: Its video stream.
        num_packets: Packets of the stream.
        ends: When their frames end, as far as known, in units of `stream.time_base`.

    Raises:
        VideoError: If something is missing.
    """
    formats = container.format.name.split(",")
    if "mp4" in formats and num_packets < stream.frames:
        raise VideoError(path, f"it ends after {num_packets} of {stream.frames} frames")
    if "matroska" not in formats:
        return
    announced = _announced_end(container, stream)
    if announced is None or not ends:
        return
    times = np.sort(ends) * float(stream.time_base)
    longest = float(np.diff(times).max(initial=0))
    if announced - times[-1] > max(_LAST_FRAME, longest):
        raise VideoError(path, f"it ends after {times[-1]:.3f} of {announced:.3f} s")


def _announced_end(container: Any, stream: Any) -> float | None:
    """Returns the end of the video in seconds, if the file tells it."""
    tag = _DURATION.match(stream.metadata.get("DURATION", ""))
    if tag is None or container.duration is None:
        return None
    hours, minutes, seconds = map(float, tag.groups())
    # A part of a file may have inherited the tag of the whole.
    return min(
        3600 * hours + 60 * minutes + seconds, container.duration * _MICROSECONDS
    )
