"""The timeline according to the decoder, from decoding all frames once.

This timeline is always correct, but costs as much as decoding the whole video. It is
needed if packets do not determine when their frames are shown, or if they are wrong.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from keras_nonlocal.data.readers.announced_timeline import (
    PacketTable,
    entry_times,
    read_packets,
    seconds,
)
from keras_nonlocal.data.readers.container import VideoFile
from keras_nonlocal.data.readers.crowded_times import without_crowded_times
from keras_nonlocal.data.readers.decoding import NumberedPacket, decode
from keras_nonlocal.data.readers.timeline import (
    UNKNOWN,
    Timeline,
    from_beginning,
    make_timeline,
)
from keras_nonlocal.data.readers.video_reader import VideoError

# Default frames per second of files without a rate.
_USUAL_RATE = 25
_MAX_RATE = 240


def decoded_timeline(video: VideoFile) -> Timeline:
    """Decodes all frames of a file and returns their timeline.

    Args:
        video: The file.

    Raises:
        VideoError: If there are no frames, if they cannot be decoded, or if the file
            ends too early.
    """
    table = read_packets(video)
    video.rewind()
    # The content of frames is irrelevant here.
    video.decoder.options |= {"skip_loop_filter": "all"}
    try:
        rows = [*_decoded_frames(video)]
    except video.errors as error:
        raise video.error(error) from None
    finally:
        # From now on, the decoder must apply all filters.
        video.rewind()
    if not rows:
        raise VideoError(video.path, "its video stream has no frames")
    sources, is_key, latest = np.array(rows, np.int32).T.copy()
    if sources.min() < 0 or sources.max() >= len(table.packets):
        raise VideoError(video.path, "its frames cannot be told apart")
    # Containers mark some packets incorrectly as key frames.
    entries = np.intersect1d(np.flatnonzero(table.is_key), sources[is_key > 0])
    timeline = make_timeline(
        _times(video, table, sources, latest),
        sources,
        table.packets,
        entries,
        entry_times(table, entries),
        is_decoded=True,
    )
    return from_beginning(replace(timeline, is_packed=table.is_packed))


def _decoded_frames(video: VideoFile) -> Iterator[tuple[int, bool, int]]:
    """Yields each frame's packet, whether it needs no others, and when it was output.

    The decoder output it after the packet with the last number, or after all packets.
    """
    latest = 0

    def packets() -> Iterator[NumberedPacket]:
        nonlocal latest
        for packet in video.packets():
            yield latest, packet
            latest += 1

    for number, frame in decode(video, packets(), tolerates_errors=True):
        yield number, frame.key_frame, latest


def _times(
    video: VideoFile, table: PacketTable, sources: np.ndarray, latest: np.ndarray
) -> np.ndarray:
    """Returns the display times of frames from the most reliable plausible source."""
    shown_at = table.on_one_clock(table.presentation_times)[sources]
    if "mpeg" in video.formats:
        step = 1 / (_highest_rate(video) * video.tick)
        shown_at = without_crowded_times(shown_at, sources, step)
    if not (shown_at == UNKNOWN).any() and (np.diff(shown_at) >= 0).all():
        return seconds(video, shown_at)
    # Otherwise, a frame is shown when it is output, at a constant delay after its
    # input.
    goes_in = table.on_one_clock(table.packets.decoding_times)
    if not (goes_in == UNKNOWN).any() and (np.diff(goes_in) > 0).all():
        comes_out = goes_in[np.minimum(latest, len(goes_in) - 1)]
        # The last frames are output after all packets, one step after the other.
        num_flushed = int((latest == len(goes_in)).sum())
        step = int(np.median(np.diff(goes_in))) if len(goes_in) > 1 else 1
        comes_out[len(latest) - num_flushed :] += step * np.arange(1, num_flushed + 1)
        delay = comes_out[0] - goes_in[sources[0]]
        return seconds(video, comes_out - delay)
    known = np.flatnonzero(shown_at != UNKNOWN)
    if len(known) > 1 and (np.diff(shown_at[known]) >= 0).all():
        return seconds(video, _filled_in(shown_at, known))
    rate = float(video.stream.average_rate or video.stream.guessed_rate or _USUAL_RATE)
    return np.arange(len(sources)) / rate


def _highest_rate(video: VideoFile) -> float:
    """Returns how many frames per second there are at most."""
    stream = video.stream
    rates = (stream.average_rate, stream.guessed_rate, stream.codec_context.framerate)
    # Higher ones are units of time.
    likely = [float(rate) for rate in rates if rate and rate <= _MAX_RATE]
    return max(likely, default=_USUAL_RATE)


def _filled_in(timestamps: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Interpolates unknown timestamps, and extrapolates with the mean step."""
    first, last = known[[0, -1]]
    step = (timestamps[last] - timestamps[first]) / (last - first)
    places = np.arange(len(timestamps))
    filled = np.interp(places, known, timestamps[known])
    filled += step * (np.minimum(places - first, 0) + np.maximum(places - last, 0))
    return filled
