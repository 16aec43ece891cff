"""Determines the timeline of a file that is opened for the first time.

The index or the packets declare the timeline, and the first frames are decoded to
verify it. A recording may begin with pictures that refer to earlier ones. The decoder
never outputs them, so they are removed. After any other mismatch, here or later when a
clip is read, all frames are decoded once.
"""

from collections.abc import Iterator

import numpy as np

from keras_nonlocal.data.readers.announced_timeline import (
    announced_timeline,
    read_packets,
)
from keras_nonlocal.data.readers.container import VideoFile
from keras_nonlocal.data.readers.decoded_timeline import decoded_timeline
from keras_nonlocal.data.readers.decoding import NumberedPacket, decode
from keras_nonlocal.data.readers.mp4_index import indexed_packets
from keras_nonlocal.data.readers.seeking import (
    SeekError,
    packets_from,
    packets_from_start,
)
from keras_nonlocal.data.readers.timeline import (
    Timeline,
    from_beginning,
    make_timeline,
)

# Number of frames to decode for the verification.
_NUM_CHECKED = 10
# Number of pictures at the beginning of a recording whose references may be missing.
_MOST_LOST = 300


def find_timeline(video: VideoFile) -> Timeline:
    """Reads the index or the packets of a file and decodes as much as necessary.

    Args:
        video: The file.

    Raises:
        VideoError: If the file contains no readable video, or ends too early.
    """
    table = indexed_packets(video)
    announced = announced_timeline(video, table or read_packets(video))
    checked = None if announced is None else _checked(video, announced)
    return decoded_timeline(video) if checked is None else from_beginning(checked)


def _checked(video: VideoFile, timeline: Timeline) -> Timeline | None:
    """Returns a timeline without the frames at its beginning that are not output.

    It is `None` if the order of frames differs from the timeline.
    """
    numbers = _first_numbers(video, timeline)
    if not numbers:
        return None
    (begins,) = np.nonzero(timeline.sources[:_MOST_LOST] == numbers[0])
    if not len(begins):
        return None
    begin = int(begins[0])
    if timeline.sources[begin : begin + len(numbers)].tolist() != numbers:
        return None
    if len(numbers) < _NUM_CHECKED and begin + len(numbers) < len(timeline):
        return None
    if not begin:
        return timeline
    return make_timeline(
        timeline.times[begin:],
        timeline.sources[begin:],
        timeline.packets,
        timeline.entries,
        timeline.entry_times,
    )


def _first_numbers(video: VideoFile, timeline: Timeline) -> list[int]:
    """Returns the packet numbers of the first frames."""
    numbers: list[int] = []
    try:
        packets = _first_packets(video, timeline)
        for number, _ in decode(video, packets, tolerates_errors=True):
            numbers.append(number)
            if len(numbers) == _NUM_CHECKED:
                break
    except (*video.errors, SeekError):
        # Damage is detected when the file is read.
        pass
    return numbers


def _first_packets(video: VideoFile, timeline: Timeline) -> Iterator[NumberedPacket]:
    """Yields all packets. Seeking to the first is cheaper than opening the file."""
    if len(timeline.entries) and timeline.entries[0] == 0:
        packets = packets_from(video, timeline, 0)
        try:
            first = next(packets)
        except (StopIteration, SeekError):
            pass
        else:
            yield first
            yield from packets
            return
    yield from packets_from_start(video, timeline)
