"""The timeline according to the packets, without decoding.

Reading packets is much cheaper than decoding them. Most containers store when each
frame is shown. Some store only the order of decoding, and a few codecs have packets
without a frame. In these cases, only the decoder can determine the order, and the
timeline must come from `keras_nonlocal.data.readers.decoded_timeline`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_nonlocal.data.readers.clock_jumps import clock_jumps
from keras_nonlocal.data.readers.completeness import check_complete
from keras_nonlocal.data.readers.container import VideoFile
from keras_nonlocal.data.readers.mpeg4_content import Mpeg4Content
from keras_nonlocal.data.readers.timeline import (
    UNKNOWN,
    Packets,
    Timeline,
    make_timeline,
)

# Containers that store when each frame is shown.
_TIMED_FORMATS = {
    *("mov", "mp4", "matroska", "webm", "mpegts", "mpeg", "flv", "live_flv", "kux"),
    *("mxf", "nut", "ogg", "gif", "apng", "dv", "yuv4mpegpipe"),
}
# Codecs whose display order may differ from their decoding order.
_REORDERING_CODECS = {
    *("h264", "hevc", "vvc", "evc", "mpeg1video", "mpeg2video", "mpeg4", "av1", "vc1"),
    *("wmv3", "svq3", "rv30", "rv40", "cavs", "avs2", "avs3", "dirac", "snow", "vp9"),
}
_PALETTE, _HEADER = "palette", "new_extradata"


class PacketTable(NamedTuple):
    """The properties of a stream's packets, in file order.

    Args:
        packets: The packets with content.
        presentation_times: Presentation times of their frames in units of the stream,
            or `UNKNOWN`.
        is_key: Whether decoding can start at a packet.
        is_shown: Whether a packet yields a frame.
        is_plain: Whether, according to the content, each packet has one frame and
            frames are shown in packet order.
        clock_jumps: How far the clock has jumped in total, in units of the stream.
        is_packed: Whether, according to the content, a packet holds two pictures.
    """

    packets: Packets
    presentation_times: np.ndarray
    is_key: np.ndarray
    is_shown: np.ndarray
    is_plain: bool
    clock_jumps: np.ndarray | int = 0
    is_packed: bool = False

    def on_one_clock(self, timestamps: np.ndarray) -> np.ndarray:
        """Returns times of all packets without the jumps of the clock."""
        return np.where(timestamps == UNKNOWN, UNKNOWN, timestamps - self.clock_jumps)


def read_packets(video: VideoFile) -> PacketTable:
    """Reads all packets of the stream.

    Raises:
        VideoError: If the file ends before the video does.
    """
    video.rewind()
    rows, ends = [], []
    content = Mpeg4Content() if video.codec == "mpeg4" else None
    header, is_self_contained = video.decoder.extradata, True
    try:
        for packet in video.packets():
            pts = packet.pts
            if pts is not None:
                ends.append(pts + (packet.duration or 0))
            is_shown = not packet.is_discard and _is_visible(video.codec, packet)
            rows.append(
                (
                    packet.size,
                    _known(packet.pos),
                    _known(packet.dts),
                    _known(pts),
                    packet.is_keyframe,
                    is_shown,
                    packet.duration or 0,
                )
            )
            if content is not None:
                content.add(packet)
            is_self_contained &= not changes_decoder(packet, header)
    except video.errors as error:
        raise video.error(error) from None
    check_complete(video.path, video.container, video.stream, len(rows), ends)
    return _table(video, rows, content, is_self_contained)


def _table(
    video: VideoFile,
    rows: Sequence[Sequence[int]],
    content: Mpeg4Content | None,
    is_self_contained: bool,
) -> PacketTable:
    columns = np.array(rows, np.int64).reshape(-1, 7).T
    packets = Packets(columns[0].astype(np.int32), *columns[1:3].copy())
    is_key, is_shown = columns[4:6].astype(bool)
    jumps: np.ndarray | int = 0
    if video.may_jump:
        jumps = clock_jumps(packets.decoding_times, columns[6], video.tick)
    return PacketTable(
        packets,
        columns[3].copy(),
        is_key & is_self_contained,
        is_shown,
        content is not None and content.is_plain,
        jumps,
        content is not None and content.is_packed,
    )


def changes_decoder(packet: Any, header: bytes | None) -> bool:
    """Whether a packet comes with a palette or a header that later ones need.

    Containers provide these only once, and they are lost after a seek.

    Args:
        packet: The packet.
        header: The header of the stream.
    """
    if packet.has_sidedata(_PALETTE):
        return True
    return packet.has_sidedata(_HEADER) and not any(
        data.data_type == _HEADER and bytes(data) == header
        for data in packet.iter_sidedata()
    )


def announced_timeline(video: VideoFile, table: PacketTable) -> Timeline | None:
    """Returns the timeline according to the packets.

    It is `None` if the packets do not determine the display order.
    """
    sources = np.flatnonzero(table.is_shown)
    shown_at = table.on_one_clock(table.presentation_times)[sources]
    if not len(sources) or (shown_at == UNKNOWN).any():
        return None
    order = np.argsort(shown_at, kind="stable")
    if (np.diff(shown_at[order]) == 0).any():
        return None
    is_timed = bool(video.formats & _TIMED_FORMATS)
    if not (is_timed or video.codec not in _REORDERING_CODECS or table.is_plain):
        return None
    entries = np.flatnonzero(table.is_key)
    return make_timeline(
        seconds(video, shown_at[order]),
        sources[order].astype(np.int32),
        table.packets,
        entries,
        entry_times(table, entries),
    )


def seconds(video: VideoFile, timestamps: np.ndarray) -> np.ndarray:
    """Converts timestamps to seconds since the beginning of the video, as in players.

    Args:
        video: The video, whose clock may start at any time.
        timestamps: Times in units of the stream.
    """
    tick = video.tick
    start = video.start / tick
    # The beginning is known only in microseconds.
    nearest = round(start)
    if abs(nearest - start) * tick <= 1e-6:
        return (timestamps - nearest) * tick
    return timestamps * tick - video.start


def entry_times(table: PacketTable, entries: np.ndarray) -> np.ndarray:
    """Returns the times to seek to.

    A packet without a time has the decoding time of the latest packet before it.
    """
    decoding_times = table.packets.decoding_times
    known = np.flatnonzero(decoding_times != UNKNOWN)
    if len(known):
        latest = np.searchsorted(known, entries, "right") - 1
        nearest = decoding_times[known[np.maximum(latest, 0)]]
        nearest[latest < 0] = UNKNOWN
    else:
        nearest = decoding_times[entries]
    return np.stack([nearest, table.presentation_times[entries]], axis=-1)


def _known(value: int | None) -> int:
    return UNKNOWN if value is None else value


def _is_visible(codec: str, packet: Any) -> bool:
    """Whether a packet has a visible frame, not only a reference for other frames."""
    # The first byte of a frame of VP8 says so. Packets of other codecs hold one each.
    if codec == "vp8":
        return bool(memoryview(packet)[0] & 0x10)
    return True
