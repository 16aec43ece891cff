"""MPEG-4 with packed B-frames in AVI, as DivX 5 and Xvid wrote it.

Video for Windows wants one frame out for each frame in. The encoders put a B-frame in
the chunk of the reference frame that precedes it in decoding order, and later a
placeholder of a few bytes where the reference frame would have been shown.
"""

import struct
from collections.abc import Callable
from pathlib import Path

_VOP_START = b"\0\0\1\xb6"
_USER_DATA = b"\0\0\1\xb2DivX503b1393p"
_REFERENCE, _B = (0, 1, 3), 2
# The number of bits of a time within a second of 25 pictures.
_TIME_BITS = 5


def pack_b_frames(
    codec_tag: str = "XVID", starts_empty: bool = False
) -> Callable[[Path, Path], None]:
    """Returns a change of an AVI file of 25 pictures per second.

    Args:
        codec_tag: Four letters that name the codec.
        starts_empty: Whether an empty chunk follows the first one, as Xvid has it.
    """

    def change(before: Path, after: Path) -> None:
        content = before.read_bytes()
        list_start = content.index(b"movi") - 8
        (list_size,) = struct.unpack_from("<I", content, list_start + 4)
        index_start = list_start + 8 + list_size
        assert content[index_start : index_start + 4] == b"idx1"
        chunks = _packed(_chunks(content[list_start + 12 : index_start]))
        if starts_empty:
            chunks = [chunks[0], b"", *chunks[1:-1]]
        header = content[:list_start].replace(b"FMP4", codec_tag.encode())
        body = header + _movie(chunks)
        after.write_bytes(body[:4] + struct.pack("<I", len(body) - 8) + body[8:])

    return change


def _chunks(movie: bytes) -> list[bytes]:
    chunks, place = [], 0
    while place < len(movie):
        name, size = struct.unpack_from("<4sI", movie, place)
        assert name == b"00dc"
        chunks.append(movie[place + 8 : place + 8 + size])
        place += 8 + size + size % 2
    return [chunk for chunk in chunks if chunk]


def _packed(frames: list[bytes]) -> list[bytes]:
    start = frames[0].index(_VOP_START)
    frames = [frames[0][:start] + _USER_DATA + frames[0][start:], *frames[1:]]
    # A reference frame and the B-frames after it.
    groups: list[list[bytes]] = []
    for frame in frames:
        if _coding_type(frame) == _B:
            groups[-1].append(frame)
        else:
            groups.append([frame])
    chunks = []
    for reference, *b_frames in groups:
        if not b_frames:
            chunks.append(reference)
            continue
        chunks += [reference + b_frames[0], *b_frames[1:], _placeholder(reference)]
    return chunks


def _coding_type(frame: bytes) -> int:
    return frame[frame.index(_VOP_START) + 4] >> 6


def _placeholder(reference: bytes) -> bytes:
    """Returns a predicted frame of the same time that says it is not coded."""
    start = reference.index(_VOP_START) + 4
    bits = "".join(f"{byte:08b}" for byte in reference[start : start + 8])
    # Seconds in unary, a marker, the time within the second and another marker.
    end = bits.index("0", 2) + 1 + 1 + _TIME_BITS + 1
    coded = "01" + bits[2:end] + "0"
    stuffing = "0" + "1" * (-len(coded) % 8 or 8)
    padded = coded + stuffing[: -len(coded) % 8 or 8]
    return _VOP_START + int(padded, 2).to_bytes(len(padded) // 8, "big")


def _movie(chunks: list[bytes]) -> bytes:
    """Returns the list of chunks and its index."""
    movie, index = b"movi", b""
    for chunk in chunks:
        flags = 16 if b"\0\0\1\xb0" in chunk[:4] else 0
        index += struct.pack("<4sIII", b"00dc", flags, len(movie), len(chunk))
        movie += struct.pack("<4sI", b"00dc", len(chunk)) + chunk
        movie += b"\0" * (len(chunk) % 2)
    listed = struct.pack("<4sI", b"LIST", len(movie)) + movie
    return listed + struct.pack("<4sI", b"idx1", len(index)) + index
