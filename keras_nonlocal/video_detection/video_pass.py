"""One pass over a video: frames are decoded in order, and objects found in batches."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from keras_nonlocal.data.readers.video_reader import VideoError, VideoReader
from keras_nonlocal.video_detection.detections import FrameDetections
from keras_nonlocal.video_detection.frame_choice import group_ends
from keras_nonlocal.video_detection.frame_detector import FrameDetector, Shown
from keras_nonlocal.video_detection.reading import whole_frames

# Of frames that wait until the detections before them are known.
_WAITING_BYTES = 256 * 2**20

Known = tuple[int, Iterator[FrameDetections]]
# A frame and the latest detections at its time.
Result = tuple[Shown, FrameDetections]


def nothing_known(ends: Sequence[int]) -> Known:
    """Returns that no frame has been searched yet."""
    return 0, iter(())


@dataclass(frozen=True)
class VideoPass:
    """Decodes the frames of a video once and finds objects in the chosen ones.

    Args:
        path: The video.
        reader: An open reader of it.
        detector: The detector.
        indices: The chosen frames, ascending. The first frame is one.
        shows_all: Whether to also yield the frames in between, and known ones.
        known: Given the ends of all batches in `indices`, returns one of them, or 0, as
            the number of chosen frames that are known, and their detections in order.
    """

    path: str
    reader: VideoReader
    detector: FrameDetector
    indices: np.ndarray
    shows_all: bool = False
    known: Callable[[Sequence[int]], Known] = nothing_known

    def results(self) -> Iterator[Result]:
        """Yields frames with their detections.

        Raises:
            VideoError: If a frame cannot be read, after all frames before it.
            TimelineChangedError: If the reader now has other times.
        """
        queue, decoded = self._begun()
        failure = None
        try:
            for shown in decoded:
                yield from queue.add(shown)
        except VideoError as error:
            failure = error
        yield from queue.flush()
        if failure is not None:
            raise failure

    def _begun(self) -> tuple["_Queue", Iterator[Shown]]:
        wanted, first, most = self.indices, [], None
        if self.shows_all:
            wanted = np.arange(len(self.reader.times))
            # The size of a picture says how many can wait.
            decoded = whole_frames(self.path, self.reader, wanted)
            first = [next(decoded)]
            most = max(_WAITING_BYTES // first[0][1].nbytes, 1)
        ends = [*group_ends(self.indices, self.detector.batch_size, most)]
        num_known, detections = self.known(ends)
        queue = _Queue(self, ends, num_known, detections)
        if self.shows_all:
            return queue, _joined(first, decoded)
        queue.skip_known()
        return queue, whole_frames(self.path, self.reader, wanted[num_known:])


class _Queue:
    """Frames that wait for the detections of their batch.

    Args:
        video_pass: The pass.
        ends: Ends of the batches.
        num_known: Number of chosen frames whose detections are known.
        known: These detections.
    """

    def __init__(
        self,
        video_pass: VideoPass,
        ends: Sequence[int],
        num_known: int,
        known: Iterator[FrameDetections],
    ) -> None:
        self._detector = video_pass.detector
        self._times = video_pass.reader.times
        self._indices = video_pass.indices
        self._ends = frozenset(ends)
        self._num_known = num_known
        self._known = known
        self._place = 0
        self._batch: list[Shown] = []
        self._waiting: list[Shown] = []
        self._latest: FrameDetections | None = None

    def skip_known(self) -> None:
        """Begins after the known frames."""
        self._place = self._num_known

    def add(self, shown: Shown) -> list[Result]:
        """Takes the next frame and returns those that need not wait any longer."""
        self._waiting.append(shown)
        is_left = self._place < len(self._indices)
        if is_left and shown[0] == self._indices[self._place]:
            if self._place < self._num_known:
                self._latest = next(self._known)
            else:
                self._batch.append(shown)
            self._place += 1
        is_complete = not self._batch or self._place in self._ends
        return self.flush() if is_complete else []

    def flush(self) -> list[Result]:
        """Searches the frames of the batch, even if it is not complete."""
        found: dict[int, FrameDetections] = {}
        if self._batch:
            found = self._detector.detect(self._batch, self._times)
        ready = []
        for shown in self._waiting:
            self._latest = found.get(shown[0], self._latest)
            if self._latest is not None:
                ready.append((shown, self._latest))
        self._batch, self._waiting = [], []
        return ready


def _joined(first: list[Shown], others: Iterator[Shown]) -> Iterator[Shown]:
    # Each picture is given away, so it does not stay in memory.
    while first:
        yield first.pop()
    yield from others
