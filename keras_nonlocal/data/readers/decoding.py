"""Decodes packets to frames, each with the number of its packet.

A decoder passes the timestamp of a packet to its frame through any reordering. Each
packet therefore gets its number as its timestamp, and the frame has the same number.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from keras_nonlocal.data.readers.container import VideoFile
from keras_nonlocal.data.readers.hevc_header import num_temporal_layers
from keras_nonlocal.data.readers.timeline import Timeline

NumberedPacket = tuple[int, Any]
NumberedFrame = tuple[int, Any]

# Decoders that can skip unreferenced frames packet by packet. Others would apply the
# first setting to the whole stream.
_SKIPPING_DECODERS = ("h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4")
# Minimum distance for the search of the next frame in a timeline.
_MOST_SPARED = 2048


def decode(
    video: VideoFile,
    packets: Iterable[NumberedPacket],
    *,
    is_spared: Callable[[int], bool] | None = None,
    tolerates_errors: bool = False,
) -> Iterator[NumberedFrame]:
    """Yields the frames of packets in the order in which the decoder outputs them.

    Args:
        video: The video, whose decoder is used.
        packets: Numbered packets.
        is_spared: Returns whether the frame of a packet may be skipped if no other
            frame refers to it.
        tolerates_errors: Whether to ignore packets that cannot be decoded before the
            first frame, since a recording may begin anywhere. If there is no frame at
            all, the first error is raised.
    """
    failure = None
    if not _can_skip(video):
        is_spared = None
    for number, packet in packets:
        if is_spared is not None:
            video.decoder.skip_frame = "NONREF" if is_spared(number) else "DEFAULT"
        packet.pts = number
        try:
            frames = packet.decode()
        except video.errors as error:
            if not tolerates_errors:
                raise
            failure = failure or error
            continue
        for frame in frames:
            tolerates_errors = False
            yield _number_of(frame), frame
    for frame in video.decoder.decode(None):
        tolerates_errors = False
        yield _number_of(frame), frame
    if tolerates_errors and failure is not None:
        raise failure


def _can_skip(video: VideoFile) -> bool:
    """Whether the decoder skips only frames that no other frame refers to."""
    name = video.decoder.name
    if name == "hevc" and num_temporal_layers(video.decoder.extradata) != 1:
        return False
    return name in _SKIPPING_DECODERS


class UnexpectedFrameError(Exception):
    """Raised if a decoder outputs a frame that the timeline lacks at that place."""


def in_order(
    timeline: Timeline, first: int, frames: Iterable[NumberedFrame]
) -> Iterator[tuple[int, Any]]:
    """Yields frames with their places in the timeline, as long as they match it.

    Frames before `first` are left out, because their reference frames are missing.

    Args:
        timeline: The expected frames.
        first: The first frame that is expected.
        frames: Decoded frames.

    Raises:
        UnexpectedFrameError: If a frame does not match the timeline.
    """
    place, has_begun = first, False
    begin, window = first, _window(timeline, first)
    for number, frame in frames:
        if place - begin > _MOST_SPARED:
            begin, window = place, _window(timeline, place)
        try:
            place = begin + window.index(number, place - begin)
        except ValueError:
            if has_begun:
                raise UnexpectedFrameError from None
            continue
        yield place, frame
        place, has_begun = place + 1, True


def _window(timeline: Timeline, begin: int) -> list[int]:
    sources: list[int] = timeline.sources[begin : begin + 2 * _MOST_SPARED].tolist()
    return sources


def _number_of(frame: Any) -> int:
    return -1 if frame.pts is None else int(frame.pts)
