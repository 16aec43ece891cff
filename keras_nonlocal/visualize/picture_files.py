"""Writes pictures as PNG and MP4 files, encoded by PyAV.

A file appears, or replaces an older one, only when it is complete.
"""

import os
import zlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from keras_nonlocal.files import replacing
from keras_nonlocal.optional_packages import import_av

SUFFIXES = (".png", ".mp4")

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_BYTES = len(_SIGNATURE) + 8 + 13 + 4
_KEYWORD = b"Comment"
_MOST_BYTES = 2**16


def write_png(path: Path, picture: np.ndarray, comment: str | None = None) -> None:
    """Writes RGB bytes `(height, width, 3)` without loss.

    Args:
        path: The file.
        picture: The picture.
        comment: Text for the metadata, in Latin-1. Defaults to `None`, no text.
    """
    av = import_av()
    encoder = av.CodecContext.create("png", "w")
    encoder.height, encoder.width = picture.shape[:2]
    encoder.pix_fmt = "rgb24"
    encoder.time_base = Fraction(1, 1)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    content = b"".join(bytes(packet) for packet in packets)
    if comment is not None:
        # The header comes first and has a fixed length.
        header, rest = content[:_HEADER_BYTES], content[_HEADER_BYTES:]
        content = header + _comment_chunk(comment) + rest
    with replacing(path) as unfinished:
        unfinished.write_bytes(content)


def comment_of_png(path: Path) -> str | None:
    """Returns the comment before the pixels of a PNG; `None` if there is none."""
    with path.open("rb") as file:
        if file.read(len(_SIGNATURE)) != _SIGNATURE:
            return None
        while len(start := file.read(8)) == 8:
            length, kind = int.from_bytes(start[:4]), start[4:]
            if kind == b"IDAT":
                break
            if kind == b"tEXt" and length < _MOST_BYTES:
                keyword, _, text = file.read(length).partition(b"\0")
                if keyword == _KEYWORD:
                    return text.decode("latin-1")
                length = 0
            file.seek(length + 4, os.SEEK_CUR)
    return None


def _comment_chunk(comment: str) -> bytes:
    content = b"tEXt" + _KEYWORD + b"\0" + comment.encode("latin-1")
    length, check = len(content) - 4, zlib.crc32(content)
    return length.to_bytes(4) + content + check.to_bytes(4)


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
