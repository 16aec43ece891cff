"""Reads the properties that a JPEG or PNG declares, before a decoder sees its bytes."""

import re
import struct
from dataclasses import dataclass
from typing import NamedTuple

from keras_nonlocal.data.readers.exif import exif_orientation

MOST_PIXELS = 2**26
# No JPEG takes less than a bit for 8×8 pixels, no PNG less than 1/1032 of its pixels.
PIXELS_PER_JPEG_BYTE = 512
PNG_COMPRESSION = 1032
# Even a PNG with fewer bytes than this has a minimum block.
PNG_SLACK = 2**16

# A picture with more segments or chunks is considered malicious.
FEW_PARTS, BYTES_PER_PART = 2**10, 2**10

JPEG_START, PNG_START = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
EXIF_SIGNATURE = b"Exif\0\0"
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}

# Neither a stuffed byte nor a restart within a scan.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
START, END, SCAN, APP1, STANDALONE = 0xD8, 0xD9, 0xDA, 0xE1, 0x01
# Start of frame: all from 0xC0 to 0xCF but tables and extensions.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
CHUNK_OVERHEAD = 12


class PictureError(ValueError):
    """Raised for invalid pictures. The message continues `its img_1.jpg …`."""


class Size(NamedTuple):
    """Height and width of a stored picture in pixels."""

    height: int
    width: int


@dataclass(frozen=True)
class EncodedPicture:
    """A picture that can be decoded.

    Args:
        codec: FFmpeg's name of the codec.
        content: The bytes, without EXIF data and without bytes after the picture.
        orientation: Orientation of the stored picture, from 1 to 8 as in the EXIF
            standard.
    """

    codec: str
    content: bytes
    orientation: int


def parse_picture(content: bytes) -> EncodedPicture:
    """Finds the end, the size and the orientation of a picture.

    Args:
        content: A JPEG or PNG, which may be followed by other bytes.

    Raises:
        PictureError: If the bytes are of a different kind, are truncated, or declare
            more pixels than allowed or than they can contain.
    """
    if content.startswith(JPEG_START):
        return _parse_jpeg(content)
    if content.startswith(PNG_START):
        return _parse_png(content)
    raise PictureError("is neither JPEG nor PNG")


def _parse_jpeg(content: bytes) -> EncodedPicture:
    place, size, is_scanned, exif, kept = 2, None, False, b"", [content[:2]]
    for _ in range(_most_parts(content)):
        marker = _MARKER.search(content, place)
        if marker is None:
            raise PictureError("is damaged")
        # Scans, and bytes between segments that decoders skip.
        kept.append(content[place : marker.start()])
        start, kind = marker.start(), content[marker.end() - 1]
        place = marker.end()
        if kind == END:
            kept.append(content[start:place])
            break
        if kind == STANDALONE:
            continue
        length = int.from_bytes(content[place : place + 2], "big")
        place += length
        if kind == START or length < 2 or place > len(content):
            raise PictureError("is damaged")
        segment = content[start + 4 : place]
        if kind == APP1:
            if not is_scanned and segment.startswith(EXIF_SIGNATURE):
                exif += segment[len(EXIF_SIGNATURE) :]
            continue
        if kind in FRAMES:
            if size is not None or len(segment) < 5:
                raise PictureError("is damaged")
            size = Size(*struct.unpack_from(">HH", segment, 1))
            _check_size(size, PIXELS_PER_JPEG_BYTE * len(content))
        is_scanned |= kind == SCAN
        kept.append(content[start:place])
    else:
        raise PictureError("is damaged")
    if size is None or not is_scanned:
        raise PictureError("is damaged")
    return EncodedPicture("mjpeg", b"".join(kept), _orientation(exif))


def _parse_png(content: bytes) -> EncodedPicture:
    place, exif, kept = len(PNG_START), b"", [PNG_START]
    for _ in range(_most_parts(content)):
        length = int.from_bytes(content[place : place + 4], "big")
        kind = content[place + 4 : place + 8]
        end = place + CHUNK_OVERHEAD + length
        if end > len(content) or (len(kept) == 1 and kind != b"IHDR"):
            raise PictureError("is damaged")
        chunk = content[place + 8 : end - 4]
        if kind == b"IHDR":
            if len(kept) > 1 or length != 13:
                raise PictureError("is damaged")
            _check_png_size(chunk, len(content))
        if kind == b"eXIf":
            exif = chunk
        else:
            kept.append(content[place:end])
        place = end
        if kind == b"IEND":
            break
    else:
        raise PictureError("is damaged")
    return EncodedPicture("png", b"".join(kept), _orientation(exif))


def _most_parts(content: bytes) -> int:
    return FEW_PARTS + len(content) // BYTES_PER_PART


def _check_png_size(header: bytes, num_bytes: int) -> None:
    width, height, depth, colors = struct.unpack_from(">LLBB", header)
    bits = depth * PNG_CHANNELS.get(colors, 1) or 1
    most = 8 * (PNG_COMPRESSION * num_bytes + PNG_SLACK) // bits
    _check_size(Size(height, width), most)


def _check_size(size: Size, most_pixels_in_bytes: int) -> None:
    num_pixels = size.height * size.width
    shape = f"{size.width}×{size.height} pixels"
    if not num_pixels:
        raise PictureError(f"announces {shape}")
    if num_pixels > MOST_PIXELS:
        raise PictureError(f"announces {shape}, more than {MOST_PIXELS}")
    if num_pixels > most_pixels_in_bytes:
        raise PictureError(f"announces {shape}, more than its bytes can hold")


def _orientation(exif: bytes) -> int:
    # Some programs write the signature twice.
    return exif_orientation(exif.removeprefix(EXIF_SIGNATURE))
