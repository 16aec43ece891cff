"""JPEG and PNG files for the tests, and ways to change their bytes."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest

EXIF_SIGNATURE = b"Exif\0\0"


def jpeg(pixels: np.ndarray, mode: str = "RGB", **options: Any) -> bytes:
    """Returns a JPEG that Pillow writes."""
    image = pytest.importorskip("PIL.Image", reason="writes the JPEGs")
    content = io.BytesIO()
    image.fromarray(pixels).convert(mode).save(content, "JPEG", **options)
    return content.getvalue()


def png(pixels: np.ndarray, **options: Any) -> bytes:
    """Returns a PNG that Pillow writes."""
    image = pytest.importorskip("PIL.Image", reason="writes the PNGs")
    content = io.BytesIO()
    image.fromarray(pixels).save(content, "PNG", **options)
    return content.getvalue()


def as_pillow_shows_it(content: bytes) -> np.ndarray:
    """Returns the upright RGB pixels, by `ImageOps.exif_transpose`."""
    image = pytest.importorskip("PIL.Image", reason="reads the pictures")
    from PIL import ImageOps

    with image.open(io.BytesIO(content)) as picture:
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


def exif(orientation: int, order: str = "<", kind: int = 3, *before: bytes) -> bytes:
    """Returns a TIFF file with that orientation.

    Args:
        orientation: The value.
        order: `"<"` or `">"`.
        kind: Its type: 3, two bytes, or 4, four bytes.
        before: Entries of 12 bytes that come first.
    """
    number = {3: "H2x", 4: "L"}[kind]
    value = struct.pack(order + number, orientation)
    entry = struct.pack(f"{order}HHL", 0x0112, kind, 1) + value
    head = b"II*\0" if order == "<" else b"MM\0*"
    count = struct.pack(f"{order}LH", 8, 1 + len(before))
    return head + count + b"".join(before) + entry + bytes(4)


def segment(kind: int, content: bytes) -> bytes:
    """Returns a segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, kind, len(content) + 2) + content


def with_segments(content: bytes, *segments: bytes) -> bytes:
    """Puts segments at the beginning of a JPEG."""
    return content[:2] + b"".join(segments) + content[2:]


def with_exif(content: bytes, data: bytes) -> bytes:
    """Adds EXIF data to a JPEG or a PNG."""
    if content.startswith(b"\xff\xd8"):
        return with_segments(content, segment(0xE1, EXIF_SIGNATURE + data))
    return content[:33] + chunk(b"eXIf", data) + content[33:]


def chunk(kind: bytes, data: bytes) -> bytes:
    """Returns a chunk of a PNG."""
    checksum = zlib.crc32(kind + data)
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", checksum)


def png_that_announces(height: int, width: int, num_bytes: int = 100) -> bytes:
    """Returns a PNG with few bytes for any number of pixels."""
    header = struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(num_bytes))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg_that_announces(content: bytes, height: int, width: int) -> bytes:
    """Changes the size in the header of a baseline JPEG."""
    place = content.index(b"\xff\xc0") + 5
    return content[:place] + struct.pack(">HH", height, width) + content[place + 4 :]
