"""Writes pictures as PNG and MP4 files, encoded by PyAV.

A file appears, or replaces an older one, only when it is complete.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from keras_nonlocal.files import replacing
from keras_nonlocal.optional_packages import import_av

SUFFIXES = (".png", ".mp4")


def write_png(path: Path, picture: np.ndarray) -> None:
    """Writes RGB bytes `(height, width, 3)` without loss."""
    av = import_av()
    encoder = av.CodecContext.create("png", "w")
    encoder.height, encoder.width = picture.shape[:2]
    encoder.pix_fmt = "rgb24"
    encoder.time_base = Fraction(1, 1)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    with replacing(path) as unfinished:
        unfinished.write_bytes(b"".join(bytes(packet) for packet in packets))


def write_mp4(path: Path, pictures: Sequence[np.ndarray], fps: float) -> None:
    """Writes RGB bytes `(height, width, 3)` as H.264 video that browsers can play.

    Args:
        path: The file.
        pictures: Pictures of the same size. An odd height or width loses its last row
            or column.
        fps: Frames per second.
    """
    av = import_av()
    rate = Fraction(fps).limit_denominator(1000)
    with (
        replacing(path) as unfinished,
        av.open(str(unfinished), "w", format="mp4") as container,
    ):
        stream = container.add_stream("libx264", rate=rate, options={"crf": "16"})
        stream.height, stream.width = (
            side - side % 2 for side in pictures[0].shape[:2]
        )
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for number, picture in enumerate(pictures):
            even = np.ascontiguousarray(picture[: stream.height, : stream.width])
            frame = av.VideoFrame.from_ndarray(even, "rgb24")
            frame.pts = number
            frame.time_base = 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
