"""The number of temporal layers of an HEVC stream.

FFmpeg can skip pictures that no other picture of the same layer refers to. In a stream
with several temporal layers, as cameras of phones record, pictures of a higher layer
may still refer to them.
"""

from collections.abc import Iterator

# Identifies a sequence parameter set, see Rec. ITU-T H.265, section 7.4.2.2.
_PARAMETERS = 33
_START_CODE = b"\0\0\1"
# Start of the arrays of units in the header that MP4 and Matroska store.
_ARRAYS = 22


def num_temporal_layers(header: bytes | None) -> int | None:
    """Returns the number of layers, or `None` if the header does not declare it.

    Args:
        header: The header of the stream, in either of its two formats.
    """
    counts = [
        (unit[2] >> 1 & 7) + 1
        for unit in _units(header or b"")
        if len(unit) > 2 and unit[0] >> 1 & 63 == _PARAMETERS
    ]
    return max(counts, default=None)


def _units(header: bytes) -> Iterator[bytes]:
    if header[:1] != b"\1":
        yield from header.split(_START_CODE)[1:]
        return
    place = _ARRAYS + 1
    for _ in range(header[_ARRAYS] if len(header) > _ARRAYS else 0):
        count = int.from_bytes(header[place + 1 : place + 3], "big")
        place += 3
        for _ in range(count):
            if place >= len(header):
                return  # more units than there are
            size = int.from_bytes(header[place : place + 2], "big")
            yield header[place + 2 : place + 2 + size]
            place += 2 + size
