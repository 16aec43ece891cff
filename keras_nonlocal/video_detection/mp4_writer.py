"""Writes an MP4 frame by frame, at any times, so that players can show it."""

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from keras_nonlocal.optional_packages import import_av
from keras_nonlocal.processors import num_processors

# Ticks per second. The first has a whole number of them for a frame at 24, 25, 30, 50
# and 60 frames per second, also divided by 1.001, and for the milliseconds of Matroska
# and the clock of MPEG. The others are for videos with pauses of hours and of days.
_CLOCKS = (360_000, 60_000, 1_000, 10, 1)
# The format has 32 bits for the time between two frames.
_LONGEST = 2**31 - 1
# The best one first. All run on any processor.
_ENCODERS = ("libx264", "libopenh264", "mpeg4")
_FASTEST_CLOCKS = {"mpeg4": 60_000}
_CRF = "18"
# For encoders without a constant quality.
_BITS_PER_PIXEL = 0.2
_MOST_THREADS = 8


class MP4Writer:
    """Encodes pictures as H.264, or as MPEG-4 part 2 where there is no such encoder.

    Pictures with an odd height or width get another row or column like the last one,
    because the colors of the format are stored for each 2 × 2 pixels.

    Args:
        path: The file to write.
        times: Times of all pictures in seconds, ascending.
        comment: Values that the file holds as the JSON of its comment.
    """

    def __init__(
        self, path: Path, times: np.ndarray, comment: Mapping[str, Any]
    ) -> None:
        self._av = import_av()
        self._encoder = self._best_encoder()
        fastest = _FASTEST_CLOCKS.get(self._encoder, _CLOCKS[0])
        self._clock, self._ticks = _ticks(times, fastest)
        clocks = ("movie_timescale", "video_track_timescale")
        options = dict.fromkeys(clocks, str(self._clock))
        self._container = self._av.open(str(path), "w", format="mp4", options=options)
        self._container.metadata["comment"] = json.dumps(comment)
        self._stream: Any = None
        self._place = 0
        self._durations: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None and self._stream is not None:
                self._mux(self._stream.encode(None))
        finally:
            self._container.close()

    def write(self, picture: np.ndarray) -> None:
        """Adds the next picture.

        Args:
            picture: RGB bytes, shape `(height, width, 3)`.
        """
        height, width = picture.shape[:2]
        even = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        if self._stream is None:
            self._stream = self._new_stream(*even.shape[:2])
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(even), "rgb24")
        begin, end = self._ticks[self._place : self._place + 2].tolist()
        frame.pts = begin
        frame.time_base = Fraction(1, self._clock)
        self._durations[begin] = end - begin
        self._place += 1
        self._mux(self._stream.encode(frame))

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts, packet.duration)
            self._container.mux(packet)

    def _new_stream(self, height: int, width: int) -> Any:
        name = self._encoder
        step = max(int(np.median(np.diff(self._ticks))), 1)
        rate = Fraction(self._clock, step).limit_denominator(1001)
        options = {"crf": _CRF} if name == "libx264" else {}
        stream = self._container.add_stream(name, rate=rate or 1, options=options)
        stream.height, stream.width = height, width
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, self._clock)
        # Frames in the order of decoding would make the end of the file uncertain where
        # the rate varies.
        stream.codec_context.max_b_frames = 0
        stream.codec_context.thread_count = min(num_processors(), _MOST_THREADS)
        if not options:
            stream.bit_rate = int(
                height * width * max(float(rate), 1.0) * _BITS_PER_PIXEL
            )
        return stream

    def _best_encoder(self) -> str:
        for name in _ENCODERS:
            try:
                self._av.codec.Codec(name, "w")
            except self._av.codec.codec.UnknownCodecError:
                continue
            return name
        raise ImportError(
            "An encoder of PyAV is needed to write MP4 files: `pip install av`. "
            f"Received: a PyAV without {', '.join(_ENCODERS)}"
        )


def comment_of(path: Path) -> Any:
    """Returns the values in the comment of a file; `None` if there are none."""
    av = import_av()
    try:
        with av.open(f"file:{path}") as container:
            return json.loads(container.metadata.get("comment", "null"))
    except (av.FFmpegError, OSError, ValueError):
        return None


def _ticks(times: np.ndarray, fastest: int) -> tuple[int, np.ndarray]:
    """Returns ticks per second, and the begin of each picture and the last one's end.

    Args:
        times: Seconds, ascending.
        fastest: Most ticks per second.
    """
    steps = np.diff(times)
    step = float(np.median(steps)) if len(steps) else 1 / 30
    longest = max(float(np.max(steps, initial=0)), step)
    clock = next(
        (c for c in _CLOCKS if c <= fastest and longest * c < _LONGEST), _CLOCKS[-1]
    )
    ends = np.append(times, times[-1] + max(step, 1 / clock))
    ticks = np.round(ends * clock).astype(np.int64)
    # Frames of damaged clocks may have the same time.
    places = np.arange(len(ticks))
    return clock, np.maximum.accumulate(ticks - places) + places
