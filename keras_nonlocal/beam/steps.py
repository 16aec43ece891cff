"""The steps of a pipeline: functions of one element, which know nothing of Beam.

A chunk number becomes groups of videos, which become chunk numbers again. Whatever the
workers find out is in the `WorkFolder`, and elements stay small. A step may be repeated
for an element at any time, also by two workers at once.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from keras_nonlocal.beam.work_folder import Outcome, Video, WorkFolder
from keras_nonlocal.data.readers.video_reader import VideoError


class VideoWork(Protocol):
    """Work on videos, a copy of which each worker gets."""

    @property
    def keeps_outcomes(self) -> bool:
        """Whether outcomes are gathered in parts, and not done again if they are there.

        Otherwise, the work itself looks for what is there.
        """

    @property
    def group_size(self) -> int:
        """Number of videos that are worked on together."""

    def outcomes(self, videos: Sequence[Video]) -> Iterator[tuple[Video, Outcome]]:
        """Yields each video and its outcome, as soon as it is known."""


@dataclass(frozen=True)
class ReadChunk:
    """Reads a chunk of the list.

    Args:
        folder: The folder.
        work: What is done with each video.
    """

    folder: WorkFolder
    work: VideoWork

    def __call__(self, chunk: int) -> Iterator[bytes]:
        """Yields groups of the videos that have no outcome yet, encoded in JSON.

        There is always one, which may be empty: the last step gathers the outcomes of
        the chunks that arrive there.
        """
        videos = self.folder.listed(chunk)
        if self.work.keeps_outcomes:
            done = {*self.folder.known_outcomes(chunk)}
            done |= self.folder.indices_with_outcome(chunk)
            videos = [video for video in videos if video.number not in done]
        size = self.work.group_size
        for first in range(0, max(len(videos), 1), size):
            yield json.dumps([chunk, videos[first : first + size]]).encode()


@dataclass(frozen=True)
class WorkOnGroup:
    """Works on a group of videos, and keeps the outcomes in the folder.

    Args:
        folder: The folder.
        work: What is done with each video.
        max_errors: Number of videos with errors, of all workers together, after which
            one more raises its error.
    """

    folder: WorkFolder
    work: VideoWork
    max_errors: int

    def __call__(self, group: bytes) -> Iterable[tuple[int, bytes]]:
        """Returns the chunk of the group, as a key without a value.

        Raises:
            VideoError: If too many videos cannot be read.
        """
        chunk, listed = json.loads(group)
        videos = [*map(Video.parsed, listed)]
        if self.work.keeps_outcomes:
            videos = [v for v in videos if not self.folder.has_outcome(v)]
        for video, outcome in self.work.outcomes(videos):
            if "error" in outcome:
                self._fail(video, outcome["error"])
                continue
            if self.work.keeps_outcomes:
                self.folder.write_outcome(video, outcome)
            self.folder.remove_error(video)
        return [(chunk, b"")]

    def _fail(self, video: Video, reason: str) -> None:
        self.folder.write_error(video, reason)
        num_errors = len(self.folder.indices_with_error())
        if num_errors > self.max_errors:
            raise VideoError(video.path, reason, video.segment)


@dataclass(frozen=True)
class GatherChunk:
    """Gathers the outcomes of a chunk when all of its groups are done.

    Args:
        folder: The folder.
    """

    folder: WorkFolder

    def __call__(self, element: tuple[int, Iterable[bytes]]) -> Iterable[int]:
        """Returns the number of the chunk."""
        chunk, _ = element
        self.folder.write_part(chunk)
        return [chunk]
