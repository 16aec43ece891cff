"""What the `ffmpeg` command shows of a file."""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.data.exactness.films import run

_CONFIGURED = re.compile(r"config in time_base: (\d+)/(\d+)")
# Where the stream joins within a picture, the command may know too little to copy it.
_BARE_STREAMS = {".h264", ".hevc", ".m1v", ".m2v", ".m4v"}
_FRAME = re.compile(r"\] n: *\d+ pts: *(-?\d+) .*? s:(\d+)x(\d+) ")


@dataclass(frozen=True)
class Shown:
    """The frames of a video.

    Args:
        times: In seconds from the beginning of the file, shape `(frames,)`.
        pictures: RGB bytes, shape `(frames, height, width, 3)`.
    """

    times: np.ndarray
    pictures: np.ndarray


def shown_by_ffmpeg(path: Path, size: tuple[int, int] | None = None) -> Shown:
    """Decodes all frames, and scales them to a width and a height if they are given."""
    scale = "" if size is None else f"w={size[0]}:h={size[1]}:"
    # The colors of interlaced pictures are interpolated within each field.
    chain = f"showinfo,scale={scale}interl=-1,format=rgb24,showinfo"
    command = ["ffmpeg", "-hide_banner", "-nostats", "-i", f"file:{path}"]
    command += ["-sws_flags", "bilinear", "-vf", chain]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1"]
    if path.suffix not in _BARE_STREAMS:
        # The clock begins with the first of the streams in use: all, as for players.
        command += ["-map", "0:v", "-map", "0:a?", "-c", "copy", "-f", "null", "-"]
    content, messages = run(command)
    (first, *_, last) = _CONFIGURED.findall(messages)
    assert first == last
    tick = Fraction(int(first[0]), int(first[1]))
    # Each frame is reported by both filters: one before and one after the scaling.
    frames = _FRAME.findall(messages)[1::2]
    stamps = [int(stamp) for stamp, _, _ in frames]
    width, height = map(int, frames[0][1:])
    times = np.array([float(stamp * tick) for stamp in stamps])
    pictures = np.frombuffer(content, np.uint8).reshape(len(frames), height, width, 3)
    return Shown(times, pictures)
