"""The pictures in packets of MPEG-4 Part 2, from their start codes.

AVI files do not store when a picture is shown, and DivX and Xvid pack two pictures into
one packet of such files. The start codes reveal both without decoding.
"""

from typing import Any

_PICTURE_START = b"\0\0\1\xb6"
# Kinds of pictures: the first two bits after the start code.
_BIDIRECTIONAL = 2
# Size in bytes of a picture without changes, which yields no frame.
_NOT_CODED = 10


class Mpeg4Content:
    """Collects what the packets of a stream contain.

    Attributes:
        is_plain: Whether each packet has one frame and frames are shown in packet
            order.
        is_packed: Whether a packet contains two pictures.
    """

    def __init__(self) -> None:
        self.is_plain = True
        self.is_packed = False

    def add(self, packet: Any) -> None:
        """Takes the next `av.Packet`."""
        content = bytes(packet)
        place = content.find(_PICTURE_START)
        begin = place + len(_PICTURE_START)
        has_two = place >= 0 and content.find(_PICTURE_START, begin) >= 0
        self.is_packed |= has_two
        self.is_plain &= (
            place >= 0
            and len(content) > max(begin, _NOT_CODED)
            and content[begin] >> 6 != _BIDIRECTIONAL
            and not has_two
        )
