"""Seeks to a packet of a video and verifies the position.

Containers seek by different clocks. MP4 and Matroska use presentation or decoding
times, MPEG streams use any timestamp that they find, and some land after the requested
position. Decoding after a key frame silently outputs garbage. Therefore, the packet at
which a seek lands is looked up in the timeline. If it is after the wanted packet, the
next seek targets an earlier time. If it is before, packets are read without decoding up
to the wanted one.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_nonlocal.data.readers.container import VideoFile
from keras_nonlocal.data.readers.decoding import NumberedPacket
from keras_nonlocal.data.readers.timeline import UNKNOWN, Timeline

# Number of packets after a seek that determine its position.
_MOST_UNKNOWN = 32


class SeekError(Exception):
    """Raised if a packet can be reached only from the beginning of the file."""


def packets_from(
    video: VideoFile, timeline: Timeline, entry: int
) -> Iterator[NumberedPacket]:
    """Yields the packets from an entry of the timeline, with their numbers.

    Args:
        video: An open file.
        timeline: Its timeline.
        entry: Index in `timeline.entries`.

    Raises:
        SeekError: If no seek leads there, or if the packets of the file and the
            timeline differ.
    """
    wanted = int(timeline.entries[entry])
    for target in _targets(timeline, entry):
        try:
            video.seek(target)
        except video.errors:
            continue
        packets = _numbered(video, timeline)
        for number, packet in packets:
            if number > wanted:
                break
            if number == wanted:
                yield number, packet
                yield from packets
                return
    raise SeekError


def packets_from_start(
    video: VideoFile, timeline: Timeline
) -> Iterator[NumberedPacket]:
    """Yields the packets of a file from its beginning, with their numbers.

    Raises:
        SeekError: If the packets of the file and the timeline differ.
    """
    video.rewind()
    for number, packet in enumerate(video.packets()):
        _check(timeline, number, packet)
        yield number, packet


def _targets(timeline: Timeline, entry: int) -> Iterator[int]:
    """Yields times to seek to, each earlier than the last."""
    decoding_time, presentation_time = timeline.entry_times[entry].tolist()
    known = [time for time in (decoding_time, presentation_time) if time != UNKNOWN]
    if not known:
        return
    yield known[0]
    yield min(known) - 1
    for earlier in (1, 2, 4):
        if entry >= earlier:
            times = timeline.entry_times[entry - earlier]
            times = times[times != UNKNOWN]
            if len(times):
                yield int(times.min())


def _numbered(video: VideoFile, timeline: Timeline) -> Iterator[NumberedPacket]:
    """Numbers the packets after a seek as in the timeline."""
    packets = video.packets()
    place = _LandingPlace(timeline)
    for packet in packets:
        begin = place.find(packet)
        if begin is not None:
            break
    else:
        return
    yield from enumerate(place.packets, begin)
    for number, packet in enumerate(packets, begin + len(place.packets)):
        _check(timeline, number, packet)
        yield number, packet


class _LandingPlace:
    """Identifies the packets of a timeline that follow a seek.

    A single packet may look like others, because some containers do not provide file
    positions and times are guessed. A few consecutive packets are unique. The first
    packets may be incomplete, because a seek may land in their middle, and are left
    out.

    Args:
        timeline: The timeline with all packets.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._table = timeline.packets
        self._candidates = np.empty(0, np.int64)
        self._num_seen = 0
        self.packets: list[Any] = []

    def find(self, packet: Any) -> int | None:
        """Takes the next packet, and returns the number of `packets[0]` once known.

        Raises:
            SeekError: If too many packets are ambiguous.
        """
        self._num_seen += 1
        if self._num_seen > _MOST_UNKNOWN:
            raise SeekError
        alike = self._table.alike(packet.size, _position(packet))
        following = np.intersect1d(alike, self._candidates + 1)
        if not len(following):
            self.packets.clear()
            following = alike
        times = self._table.decoding_times[following]
        in_time = following[times == (UNKNOWN if packet.dts is None else packet.dts)]
        self._candidates = in_time if len(in_time) else following
        if len(self._candidates):
            self.packets.append(packet)
        if len(self._candidates) != 1:
            return None
        return int(self._candidates[0]) - len(self.packets) + 1


def _check(timeline: Timeline, number: int, packet: Any) -> None:
    packets = timeline.packets
    if number >= len(packets) or not packets.matches(
        number, packet.size, _position(packet)
    ):
        raise SeekError


def _position(packet: Any) -> int:
    return UNKNOWN if packet.pos is None else int(packet.pos)
