"""The frames of a video as JPEG pictures."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from keras_nonlocal.data.framing import Framing
from keras_nonlocal.data.readers.video_reader import VideoReader
from keras_nonlocal.optional_packages import import_av

WORST_QUALITY = 31
_BATCH = 32


def encoded_frames(
    video: VideoReader, short_side: int, quality: int
) -> Iterator[bytes]:
    """Yields the JPEGs of all frames as they are decoded.

    Args:
        video: An open video.
        short_side: Length in pixels to which the shorter side of larger pictures is
            scaled.
        quality: Quantizer of the encoder, from 2 to `WORST_QUALITY`.

    Raises:
        VideoError: If a frame cannot be read.
    """
    encoder = _JpegEncoder(quality)
    for picture in _pictures(video, Framing(short_side, None, enlarge=False)):
        yield encoder.encode(picture)


def _pictures(video: VideoReader, framing: Framing) -> Iterator[np.ndarray]:
    # A reader that cannot stream decodes the same frames again for each batch.
    stream = getattr(video, "stream", None)
    if stream is not None:
        yield from stream(framing)
        return
    for first in range(0, len(video.times), _BATCH):
        indices = np.arange(first, min(first + _BATCH, len(video.times)))
        yield from video.read(indices, framing)[:, 0]


class _JpegEncoder:
    """Encodes pictures of varying sizes.

    Args:
        quality: Quantizer, from 2 to `WORST_QUALITY`.
    """

    def __init__(self, quality: int) -> None:
        self._quality = quality
        self._size: tuple[int, int] | None = None
        self._context: Any = None

    def encode(self, picture: np.ndarray) -> bytes:
        """Returns the JPEG of a picture of shape `(height, width, 3)`."""
        height, width = picture.shape[:2]
        if self._size != (height, width):
            self._size = (height, width)
            self._context = self._created(height, width)
        frame = import_av().VideoFrame.from_ndarray(np.ascontiguousarray(picture))
        frame = frame.reformat(format="yuvj420p", dst_color_range="JPEG", threads=1)
        frame.pts = None
        return b"".join(bytes(packet) for packet in self._context.encode(frame))

    def _created(self, height: int, width: int) -> Any:
        context = import_av().CodecContext.create("mjpeg", "w")
        context.height, context.width = height, width
        context.pix_fmt, context.time_base = "yuvj420p", Fraction(1, 25)
        context.qmin = context.qmax = self._quality
        context.thread_count = 1
        return context
