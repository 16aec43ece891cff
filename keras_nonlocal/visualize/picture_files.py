"""Pictures as PNG and MP4 files, encoded by PyAV.

A file appears, or replaces an older one, only when it is complete.
"""

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np

from keras_nonlocal.data._requirements import import_av

SUFFIXES = (".png", ".mp4")


def write_png(path: Path, picture: np.ndarray) -> None:
    """Writes RGB bytes `(height, width, 3)`, losslessly."""
    av = import_av()
    encoder = av.CodecContext.create("png", "w")
    encoder.height, encoder.width = picture.shape[:2]
    encoder.pix_fmt = "rgb24"
    encoder.time_base = Fraction(1, 1)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    with _completed(path) as unfinished:
        unfinished.write_bytes(b"".join(bytes(packet) for packet in packets))


def write_mp4(path: Path, pictures: Sequence[np.ndarray], fps: float) -> None:
    """Writes RGB bytes `(height, width, 3)` as H.264 that browsers show.

    Args:
        path: The file.
        pictures: All of the same size; an odd side loses its last row or column.
        fps: Frames per second.
    """
    av = import_av()
    rate = Fraction(fps).limit_denominator(1000)
    with (
        _completed(path) as unfinished,
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


@contextmanager
def _completed(path: Path) -> Iterator[Path]:
    """A file beside `path` that becomes it at the end, or goes away on an error."""
    unfinished = path.with_name(f".{uuid.uuid4().hex}.unfinished")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
