"""The timeline of an MP4 or MOV file from its index, without reading packets.

The index lists all packets in tables: sizes (`stsz`), decoding times (`stts`), the
times by which their frames are shown later (`ctts`) and key frames (`stss`), see
ISO/IEC 14496-12, section 8.6. FFmpeg also reads them, but exposes only part of them,
packet by packet. The tables are therefore read here at once and compared with FFmpeg's
values at many places. For fragmented files, and edit lists that omit, repeat or delay
frames, the packets are used.
"""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_nonlocal import files
from keras_nonlocal.data.readers.announced_timeline import (
    PacketTable,
    changes_decoder,
)
from keras_nonlocal.data.readers.container import VideoFile
from keras_nonlocal.data.readers.timeline import UNKNOWN, Packets
from keras_nonlocal.data.readers.video_reader import VideoError

_NUM_COMPARED = 64
# Maximum size of an index in bytes, enough for about 1000 hours of video.
_MOST_BYTES = 2**30
_TRACK = (b"mdia", b"minf", b"stbl")


def indexed_packets(video: VideoFile) -> PacketTable | None:
    """Returns the packets of the stream according to the index.

    It is `None` if the index is insufficient.

    Args:
        video: The file.

    Raises:
        VideoError: If the file ends before the last packet of the index.
    """
    if "mp4" not in video.formats or not len(video.stream.index_entries):
        return None
    video.rewind()
    try:
        movie = _movie_box(video.path)
        track = None if movie is None else _track(movie, video)
        num_packets = len(video.stream.index_entries)
        table = None if track is None else _table(track, movie, num_packets)
        if table is None or not _agrees(table, video):
            return None
    except (struct.error, ValueError, IndexError, KeyError, OSError, MemoryError):
        return None
    _check_complete(video)
    return table


def _boxes(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yields the names and the contents of the boxes in a piece of a file."""
    place = 0
    while place + 8 <= len(content):
        size, name = struct.unpack_from(">I4s", content, place)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", content, place + 8)
            header = 16
        end = len(content) if size == 0 else place + size
        if (size and size < header) or end > len(content):
            raise ValueError("a box that is cut off")
        yield name, content[place + header : end]
        place = end


def _movie_box(path: str) -> memoryview | None:
    """Returns the content of the box `moov`, or `None` if the file is in fragments."""
    with files.open_bytes(path) as file:
        file_size = file.seek(0, 2)
        place = 0
        movie = None
        while place + 8 <= file_size:
            file.seek(place)
            header = file.read(16)
            size, name = struct.unpack_from(">I4s", header)
            begin = 8
            if size == 1:
                (size,) = struct.unpack_from(">Q", header, 8)
                begin = 16
            if size == 0:
                size = file_size - place
            if size < begin or name == b"moof":
                return None
            if name == b"moov":
                if movie is not None or size > min(_MOST_BYTES, file_size - place):
                    return None
                file.seek(place + begin)
                movie = memoryview(file.read(size - begin))
            place += size
        return movie


def _track(movie: memoryview, video: VideoFile) -> dict[bytes, memoryview] | None:
    """Returns the tables of the stream, by name."""
    for name, content in _boxes(movie):
        if name == b"mvex":
            return None
        if name != b"trak":
            continue
        boxes = dict(_boxes(content))
        (number,) = struct.unpack_from(
            ">I", boxes[b"tkhd"], _after_times(boxes[b"tkhd"])
        )
        if number != video.stream.id:
            continue
        for parent in _TRACK:
            boxes |= dict(_boxes(boxes[parent]))
        if b"edts" in boxes:
            boxes |= dict(_boxes(boxes[b"edts"]))
        return boxes
    return None


def _after_times(box: memoryview) -> int:
    """Returns the start of the fields after the creation and modification times."""
    return 20 if box[0] == 1 else 12


def _table(
    boxes: dict[bytes, memoryview], movie: memoryview | None, num_packets: int
) -> PacketTable:
    sizes = _sizes(boxes[b"stsz"], num_packets)
    (num_descriptions,) = struct.unpack_from(">I", boxes[b"stsd"], 4)
    if num_descriptions != 1:
        raise ValueError("an index of several headers")
    durations = _runs(boxes[b"stts"], ">u4", num_packets)
    decoding_times = np.cumsum(durations) - durations
    delays: np.ndarray | int = 0
    if b"ctts" in boxes:
        delays = _runs(boxes[b"ctts"], ">i4", num_packets)
    presentation_times = decoding_times + delays
    is_key = np.ones(num_packets, bool)
    if b"stss" in boxes:
        is_key[:] = False
        is_key[_numbers(boxes[b"stss"], 8, ">u4") - 1] = True
    _check_edits(boxes, movie, presentation_times)
    packets = Packets(sizes, np.full(num_packets, UNKNOWN), decoding_times)
    is_shown = np.ones(num_packets, bool)
    return PacketTable(packets, presentation_times, is_key, is_shown, False)


def _numbers(box: memoryview, begin: int, kind: str) -> np.ndarray:
    return np.frombuffer(box[begin:], kind).astype(np.int64)


def _sizes(box: memoryview, num_packets: int) -> np.ndarray:
    size, count = struct.unpack_from(">II", box, 4)
    if count != num_packets:
        raise ValueError("an index that does not fit together")
    if size:
        return np.full(count, size, np.int32)
    sizes = _numbers(box[: 12 + 4 * count], 12, ">u4").astype(np.int32)
    if len(sizes) != count or not sizes.all():
        raise ValueError("an index that does not fit together")
    return sizes


def _runs(box: memoryview, kind: str, num_packets: int) -> np.ndarray:
    """Returns the values of a run-length table of pairs of count and value."""
    (count,) = struct.unpack_from(">I", box, 4)
    pairs = np.frombuffer(box[8 : 8 + 8 * count], [("n", ">u4"), ("value", kind)])
    if pairs["n"].sum(dtype=np.int64) != num_packets:
        raise ValueError("an index that does not fit together")
    return np.repeat(pairs["value"].astype(np.int64), pairs["n"])


def _check_edits(
    boxes: dict[bytes, memoryview],
    movie: memoryview | None,
    presentation_times: np.ndarray,
) -> None:
    """Accepts only edit lists that show all frames, starting with the first."""
    if b"elst" not in boxes:
        return
    box = boxes[b"elst"]
    (count,) = struct.unpack_from(">I", box, 4)
    duration, begin = struct.unpack_from(">Qq" if box[0] == 1 else ">Ii", box, 8)
    movie_header = dict(_boxes(movie or memoryview(b"")))[b"mvhd"]
    (movie_scale,) = struct.unpack_from(">I", movie_header, _after_times(movie_header))
    media_header = boxes[b"mdhd"]
    (media_scale,) = struct.unpack_from(">I", media_header, _after_times(media_header))
    end = begin + duration * media_scale / movie_scale
    if count != 1 or not (
        0 <= begin <= presentation_times.min() and presentation_times.max() < end
    ):
        raise ValueError("an edit list that leaves out or delays frames")


def _agrees(table: PacketTable, video: VideoFile) -> bool:
    """Compares tables with FFmpeg's index and converts them to its clock."""
    entries = video.stream.index_entries
    packets = table.packets
    if len(entries) != len(packets):
        return False
    first = next(video.packets(), None)
    if first is None or None in (first.pts, first.dts) or first.is_discard:
        return False
    if changes_decoder(first, video.decoder.extradata):
        return False
    # FFmpeg's clock starts at the first frame that is shown.
    for times, time in (
        (packets.decoding_times, first.dts),
        (table.presentation_times, first.pts),
    ):
        times += time - times[0]
    compared = {*np.linspace(0, len(packets) - 1, _NUM_COMPARED).astype(int).tolist()}
    return all(_is_equal(table, i, entries[i]) for i in compared)


def _is_equal(table: PacketTable, number: int, entry: Any) -> bool:
    packets = table.packets
    return bool(
        entry.timestamp == packets.decoding_times[number]
        and entry.size == packets.sizes[number]
        and entry.is_keyframe == table.is_key[number]
        and not entry.is_discard
    )


def _check_complete(video: VideoFile) -> None:
    entries = video.stream.index_entries
    size = video.container.size
    if entries[-1].pos + entries[-1].size <= size:
        return
    whole = sum(entry.pos + entry.size <= size for entry in entries)
    raise VideoError(video.path, f"it ends after {whole} of {len(entries)} frames")
