"""The frames of a video as JPEG pictures."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from keras_nonlocal.data._requirements import import_av
from keras_nonlocal.data.readers import VideoReader
from keras_nonlocal.data.transforms import Framing

WORST_QUALITY = 31
_BATCH = 32


def encoded_frames(
    video: VideoReader, short_side: int, quality: int
) -> Iterator[bytes]:
    """Yields JPEGs of all frames.

    Args:
        video: An open video.
        short_side: Length to which the shorter side of larger pictures is scaled, in
            pixels.
        quality: Quantiser of the encoder, from 2 to `WORST_QUALITY`.

    Raises:
        VideoError: If a frame cannot be read.
    """
    framing = Framing(short_side, None, enlarge=False)
    encoder = None
    for first in range(0, len(video.times), _BATCH):
        indices = np.arange(first, min(first + _BATCH, len(video.times)))
        for picture in video.read(indices, framing)[:, 0]:
            if encoder is None:
                height, width = picture.shape[:2]
                encoder = _encoder(height, width, quality)
            yield _jpeg(encoder, picture)


def _encoder(height: int, width: int, quality: int) -> Any:
    encoder = import_av().CodecContext.create("mjpeg", "w")
    encoder.height, encoder.width = height, width
    encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1, 25)
    encoder.qmin = encoder.qmax = quality
    encoder.thread_count = 1
    return encoder


def _jpeg(encoder: Any, picture: np.ndarray) -> bytes:
    frame = import_av().VideoFrame.from_ndarray(np.ascontiguousarray(picture))
    frame = frame.reformat(format="yuvj420p", dst_color_range="JPEG", threads=1)
    frame.pts = None
    return b"".join(bytes(packet) for packet in encoder.encode(frame))
