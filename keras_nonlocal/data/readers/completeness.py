"""Detection of truncated files."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_nonlocal.data.readers.video_reader import VideoError

_DURATION = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d*)?)")
_MICROSECONDS = 1e-6
# In seconds, because not all programs store the duration of the last frame.
_LAST_FRAME = 0.5


def check_complete(
    path: str,
    container: Any,
    stream: Any,
    num_packets: int,
    ends: Sequence[int],
) -> None:
    """Rejects a file that contains less video than it declares.

    Only containers with reliable information are checked. MP4 has an index of all
    packets to read, after FFmpeg has applied the edit lists. Most programs store the
    end of the video in Matroska and WebM files.

    Args:
        path: Name of the video in errors.
        container: The file, opened by PyAV.
        stream: Its video stream.
        num_packets: Number of packets in the stream.
        ends: End times of their frames, as far as known, in units of
            `stream.time_base`.

    Raises:
        VideoError: If the file is truncated.
    """
    formats = container.format.name.split(",")
    if "mp4" in formats and num_packets < len(stream.index_entries):
        _check_index(path, stream, num_packets)
    if "matroska" not in formats:
        return
    announced = _announced_end(container, stream)
    if announced is None or not ends:
        return
    times = np.sort(ends) * float(stream.time_base)
    longest = float(np.diff(times).max(initial=0))
    if announced - times[-1] > max(_LAST_FRAME, longest):
        raise VideoError(path, f"it ends after {times[-1]:.3f} of {announced:.3f} s")


def _check_index(path: str, stream: Any, num_packets: int) -> None:
    # The index also contains packets without content.
    announced = sum(entry.size > 0 for entry in stream.index_entries)
    if num_packets < announced:
        raise VideoError(path, f"it ends after {num_packets} of {announced} frames")


def _announced_end(container: Any, stream: Any) -> float | None:
    """Returns the end of the video in seconds, if the file declares it."""
    tag = _DURATION.match(stream.metadata.get("DURATION", ""))
    if tag is None or container.duration is None:
        return None
    hours, minutes, seconds = map(float, tag.groups())
    # A part of a file may have the tag of the whole file.
    return min(
        3600 * hours + 60 * minutes + seconds, container.duration * _MICROSECONDS
    )
