"""Changes of the boxes of MP4 files: edit lists and display matrices.

ISO/IEC 14496-12 and Apple's QuickTime File Format describe them.
"""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

_HOLDERS = (b"moov", b"trak", b"edts", b"mdia")
_ONE = 0x10000

# First picture and number of pictures; no picture is a pause, and the speed 0 holds
# one picture.
Edit = tuple[int | None, int] | tuple[int | None, int, int]


def set_edits(
    edits: Sequence[Edit], version: int = 0, rate: int = 25, reordering: bool = True
) -> Callable[[Path, Path], None]:
    """Returns a change of the edit list of the only track of a file.

    The index must lie at the end of the file, where it may grow.

    Args:
        edits: First picture and number of pictures of each part. `None` in place of
            the first picture: nothing is shown.
        version: 1 for times of 64 bits.
        rate: Pictures per second.
        reordering: Whether the times of the pictures begin where the edit list of the
            file says; otherwise they begin at 0.
    """

    def change(before: Path, after: Path) -> None:
        content = before.read_bytes()
        movie_scale = _number(content, b"mvhd", 12)
        media_scale = _number(content, b"mdhd", 12)
        old = content.find(b"elst")
        delay = struct.unpack_from(">i", content, old + 16)[0] if old > 0 else 0
        first_time = delay if reordering else 0
        entries = b""
        for first, num_pictures, *speed in edits:
            duration = num_pictures * movie_scale // rate
            time = -1 if first is None else first_time + first * media_scale // rate
            entries += struct.pack(">Qq" if version else ">Ii", duration, time)
            entries += struct.pack(">I", speed[0] if speed else _ONE)
        edit_list = struct.pack(">4sII", b"elst", version << 24, len(edits)) + entries
        box = _boxed(b"edts", _sized(edit_list))
        total = sum(edit[1] for edit in edits) * movie_scale // rate
        after.write_bytes(_with_edits(content, box, total))

    return change


def set_matrix(a: int, b: int, c: int, d: int) -> Callable[[Path, Path], None]:
    """Returns a change of the display matrix.

    A stored point `(x, y)` is shown at `(a * x + c * y, b * x + d * y)`, moved into
    view.
    """

    def change(before: Path, after: Path) -> None:
        content = bytearray(before.read_bytes())
        header = content.index(b"tkhd") + 4
        width, height = struct.unpack_from(">II", content, header + 76)
        # Corners with negative places are moved back to 0.
        x = max(-a, 0) * width + max(-c, 0) * height
        y = max(-b, 0) * width + max(-d, 0) * height
        matrix = (a * _ONE, b * _ONE, 0, c * _ONE, d * _ONE, 0, x, y, 1 << 30)
        struct.pack_into(">9i", content, header + 40, *matrix)
        after.write_bytes(content)

    return change


def drop_box(name: bytes) -> Callable[[Path, Path], None]:
    """Returns a change that renames the boxes of a name to `free`."""

    def change(before: Path, after: Path) -> None:
        content = before.read_bytes()
        assert name in content
        after.write_bytes(content.replace(name, b"free"))

    return change


def _number(content: bytes, box: bytes, place: int) -> int:
    start = content.index(box) + 4
    assert content[start] == 0, "a box of version 0"
    (number,) = struct.unpack_from(">I", content, start + place)
    return int(number)


def _sized(box: bytes) -> bytes:
    return struct.pack(">I", len(box) + 4) + box


def _boxed(name: bytes, content: bytes) -> bytes:
    return _sized(name + content)


def _with_edits(content: bytes, edits: bytes, total: int) -> bytes:
    """Returns the boxes with other edits in each track."""
    changed, place = b"", 0
    while place < len(content):
        size, name = struct.unpack_from(">I4s", content, place)
        body = content[place + 8 : place + size]
        place += size
        if name == b"edts":
            continue
        if name == b"trak":
            header = struct.unpack_from(">I", body)[0]
            inner = _with_edits(body[header:], edits, total)
            changed += _boxed(name, _shown(body[:header], 20, total) + edits + inner)
        elif name == b"moov":
            header = struct.unpack_from(">I", body)[0]
            inner = _with_edits(body[header:], edits, total)
            changed += _boxed(name, _shown(body[:header], 16, total) + inner)
        else:
            changed += content[place - size : place]
    return changed


def _shown(header: bytes, place: int, duration: int) -> bytes:
    """Returns a header with another duration."""
    start = 8 + place
    return header[:start] + struct.pack(">I", duration) + header[start + 4 :]
