"""The orientation of a picture in EXIF data, and its effect on pixels."""

import struct

import numpy as np

ORIENTATION_TAG = 0x0112
# Bytes of one value, by the type of an entry in a TIFF directory.
TYPE_SIZES = {
    **{1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1},
    **{8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8},
}
# The types of integers, and how `struct` reads them.
INTEGER_TYPES = {3: "H", 4: "L", 6: "b", 8: "h", 9: "l", 13: "L"}
# Programs write the number 42 in either byte order.
BYTE_ORDERS = {b"II*\0": "<", b"II\0*": "<", b"MM\0*": ">", b"MM*\0": ">"}

_ENTRY_SIZE = 12
_INLINE_SIZE = 4


def exif_orientation(exif: bytes) -> int:
    """Returns the orientation in EXIF data.

    Damaged data are read up to the damage, as in Pillow.

    Args:
        exif: A TIFF file without the `Exif` signature; empty if there is none.

    Returns:
        From 1 (upright) to 8, as in the EXIF standard; 1 if the data are invalid.
    """
    order = BYTE_ORDERS.get(exif[:4])
    if order is None or len(exif) < 8:
        return 1
    (directory,) = struct.unpack_from(f"{order}L", exif, 4)
    if directory + 2 > len(exif):
        return 1
    (num_entries,) = struct.unpack_from(f"{order}H", exif, directory)
    entries = exif[directory + 2 :][: num_entries * _ENTRY_SIZE]
    announced, seen = 0, set()
    for start in range(0, len(entries) - _ENTRY_SIZE + 1, _ENTRY_SIZE):
        tag, kind, count, place = struct.unpack_from(f"{order}HHLL", entries, start)
        if kind not in TYPE_SIZES or tag in seen:
            continue
        size = count * TYPE_SIZES[kind]
        content = entries[start + 8 : start + 8 + min(size, _INLINE_SIZE)]
        if size > _INLINE_SIZE:
            announced += size
            if announced > len(exif):
                continue
            if place + size > len(exif):
                return 1
            content = exif[place : place + size]
        seen |= {tag} if content else set()
        if tag == ORIENTATION_TAG and content:
            return _valid_orientation(order, kind, content)
    return 1


def _valid_orientation(order: str, kind: int, content: bytes) -> int:
    if kind not in INTEGER_TYPES:
        return 1
    (value,) = struct.unpack_from(f"{order}{INTEGER_TYPES[kind]}", content)
    return value if 1 <= value <= 8 else 1


def is_transposed(orientation: int) -> bool:
    """Whether the stored width is the height of the upright picture."""
    return orientation >= 5


def upright(picture: np.ndarray, orientation: int) -> np.ndarray:
    """Returns a view of a stored picture in which it is upright.

    Args:
        picture: Shape `(height, width, channels)`.
        orientation: From 1 to 8, as in the EXIF standard.
    """
    if is_transposed(orientation):
        picture = picture.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    return picture
