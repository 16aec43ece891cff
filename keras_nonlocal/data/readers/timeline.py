"""The frames of a video with their order, times and packets.

A container holds packets in the order in which they are decoded. A decoder turns them
into frames in the order in which they are shown. The timeline connects both: for each
frame, in presentation order, it has the number of the packet that the frame comes from.
Regardless of the container's times, a decoded frame is identified by its packet, and a
packet by its position, its size and its decoding time. Every frame that is read can
therefore be checked to be the requested one.
"""

from dataclasses import dataclass, replace

import numpy as np

# An unknown timestamp or position.
UNKNOWN = -(2**63)


@dataclass(frozen=True)
class Packets:
    """The packets of a stream in file order, except those without content.

    Args:
        sizes: Sizes in bytes.
        positions: Start positions in the file, or `UNKNOWN`.
        decoding_times: Decoding times in units of the stream, or `UNKNOWN`.
    """

    sizes: np.ndarray
    positions: np.ndarray
    decoding_times: np.ndarray

    def __len__(self) -> int:
        return len(self.sizes)

    def alike(self, size: int, position: int) -> np.ndarray:
        """Returns the numbers of the packets with these properties, if known."""
        found = np.flatnonzero(self.sizes == size)
        if position == UNKNOWN:
            return found
        known = self.positions[found]
        return found[(known == position) | (known == UNKNOWN)]

    def matches(self, number: int, size: int, position: int) -> bool:
        """Whether packet `number` has these properties, as far as they are known."""
        known = self.positions[number]
        is_there = UNKNOWN in (position, known) or known == position
        return bool(is_there and self.sizes[number] == size)


@dataclass(frozen=True)
class Timeline:
    """The frames of a stream in presentation order.

    Args:
        times: Seconds since the beginning of the video, ascending.
        sources: The packet number of each frame.
        packets: The packets.
        entries: Numbers of the packets at which decoding can start, ascending.
        entry_times: Their decoding and presentation times, which are the times to seek
            to, shape `(entries, 2)`.
        first_frames: The first frame that decoding from each entry outputs, ascending.
        is_decoded: Whether the order was determined by decoding all frames instead of
            from packets.
        is_packed: Whether a packet may contain two pictures, one of which is shown much
            later.
    """

    times: np.ndarray
    sources: np.ndarray
    packets: Packets
    entries: np.ndarray
    entry_times: np.ndarray
    first_frames: np.ndarray
    is_decoded: bool = False
    is_packed: bool = False

    def __len__(self) -> int:
        return len(self.times)

    @property
    def num_bytes(self) -> int:
        """Size of the arrays in bytes."""
        columns = vars(self) | vars(self.packets)
        return sum(getattr(column, "nbytes", 0) for column in columns.values())

    def same_frames(self, other: "Timeline") -> bool:
        """Whether another timeline has the same frames at the same times."""
        return np.array_equal(self.times, other.times) and np.array_equal(
            self.sources, other.sources
        )


def make_timeline(
    times: np.ndarray,
    sources: np.ndarray,
    packets: Packets,
    entries: np.ndarray,
    entry_times: np.ndarray,
    is_decoded: bool = False,
) -> Timeline:
    """Returns a timeline, and determines the first frame of each entry.

    All frames from there come from the entry or from later packets, and none is shown
    before the frame of the entry itself. Pictures that are decoded after a key frame
    but shown before it may need earlier frames.
    """
    lowest_source_from = np.minimum.accumulate(sources[::-1])[::-1]
    firsts = np.searchsorted(lowest_source_from, entries)
    by_source = np.argsort(sources, kind="stable")
    places = np.searchsorted(sources, entries, sorter=by_source)
    places = by_source[np.minimum(places, len(sources) - 1)]
    is_own = sources[places] == entries
    firsts = np.maximum.accumulate(np.where(is_own, np.maximum(firsts, places), firsts))
    serves = firsts < len(sources)
    return Timeline(
        times,
        sources,
        packets,
        entries[serves],
        entry_times[serves],
        firsts[serves],
        is_decoded,
    )


def from_beginning(timeline: Timeline) -> Timeline:
    """Returns a timeline whose first frame is not before the beginning of the video.

    The beginning is guessed incorrectly if a recording begins with lost frames.
    """
    early = min(float(timeline.times[0]), 0.0)
    return replace(timeline, times=timeline.times - early) if early else timeline
