"""Writes videos to numbered record files in a directory."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from keras_nonlocal import files
from keras_nonlocal.arguments import check_positive_integer
from keras_nonlocal.data.datasets.epochs import Shard
from keras_nonlocal.data.datasets.failures import FailurePolicy
from keras_nonlocal.data.lists.video_search import RECORD_EXTENSION
from keras_nonlocal.data.parallel import Workers
from keras_nonlocal.data.readers.video_reader import (
    TimelineChangedError,
    VideoError,
    VideoReader,
    errors_named,
)
from keras_nonlocal.data.records.jpeg import WORST_QUALITY, encoded_frames
from keras_nonlocal.data.records.record_file import (
    Origin,
    RecordReader,
    write_record_file,
)
from keras_nonlocal.processors import num_processors

# Seconds for the threads to remove partial files after an interruption by the user.
_CLEANUP_SECONDS = 5.0


@dataclass(frozen=True)
class RecordJob:
    """A file to write.

    Args:
        index: Number of the file.
        source: Name of the video.
        open_video: Opens the video.
    """

    index: int
    source: str
    open_video: Callable[[], AbstractContextManager[VideoReader]]


class RecordWriter:
    """Writes videos to numbered files in a directory.

    Args:
        directory: The directory.
        short_side: Maximum length of the shorter side, in pixels.
        quality: Quantizer of the JPEG encoder.
        failures: Handles videos that cannot be read.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        short_side: int,
        quality: int,
        failures: FailurePolicy,
    ) -> None:
        check_positive_integer("short_side", short_side)
        check_positive_integer("quality", quality)
        if quality > WORST_QUALITY:
            raise ValueError(
                f"`quality` must be at most {WORST_QUALITY}. "
                f"Received: quality={quality!r}"
            )
        self._folder = os.fspath(directory)
        self._short_side = short_side
        self._quality = quality
        self._failures = failures

    def path(self, index: int) -> str:
        """Returns the file of a video."""
        return os.path.join(self._folder, f"{index:06d}{RECORD_EXTENSION}")

    def write(
        self,
        jobs: Iterable[RecordJob],
        total: int,
        num_threads: int | None,
        verbose: bool,
        share: Shard | None = None,
    ) -> list[bool]:
        """Writes the videos and returns whether each could be read.

        Args:
            jobs: The videos.
            total: Number of videos, negative if unknown.
            num_threads: Number of videos to process at a time, or `None` for the number
                of processor cores that the process may use.
            verbose: Whether to show a progress bar.
            share: The share of the directory that these jobs form, or `None` for all of
                it.

        Raises:
            InUseError: If another process writes the same share.
        """
        # Keras takes seconds to import.
        from keras.utils import Progbar

        if num_threads is not None:
            check_positive_integer("num_threads", num_threads)
        files.make_directory(self._folder)
        bar = Progbar(total if total >= 0 else None, verbose=int(verbose))
        workers = Workers(
            lambda job: self._write(job, workers), num_threads or num_processors()
        )
        is_written = []
        share = share or Shard()
        name = f"records-{share.index}-of-{share.count}"
        with files.lock(os.path.join(self._folder, name), "directory"):
            try:
                for result in workers.in_order(jobs):
                    is_written.append(result)
                    bar.update(len(is_written))
            finally:
                workers.stop(_CLEANUP_SECONDS)
        self._failures.report("when the records were written")
        return is_written

    def _write(self, job: RecordJob, workers: Workers) -> bool:
        try:
            self.write_file(job, workers.check_stop)
        except VideoError as error:
            self._failures.handle(error, job.index)
            return False
        return True

    def write_file(
        self, job: RecordJob, after_frame: Callable[[], None] = lambda: None
    ) -> None:
        """Writes the file of one video, unless it is complete already.

        Args:
            job: The video.
            after_frame: Called after each frame. An error that it raises stops the
                writing.

        Raises:
            OSError: If the file cannot be written.
            ValueError: If the file is there for another video or other settings.
            VideoError: If the video cannot be read.
        """
        state = files.state(job.source)
        origin = Origin(job.source, self._short_side, self._quality, state)
        target = self.path(job.index)
        if self._is_there(target, origin):
            return
        with ExitStack() as stack:
            with errors_named(job.source):
                video = stack.enter_context(job.open_video())
            try:
                self._write_video(video, target, origin, after_frame)
            except TimelineChangedError:
                self._write_video(video, target, origin, after_frame)

    def _write_video(
        self,
        video: VideoReader,
        target: str,
        origin: Origin,
        after_frame: Callable[[], None],
    ) -> None:
        with errors_named(origin.source):
            times = video.times
        pictures = self._pictures(video, origin, after_frame)
        write_record_file(target, times, pictures, origin)

    def _pictures(
        self, video: VideoReader, origin: Origin, after_frame: Callable[[], None]
    ) -> Iterator[bytes]:
        # Errors in writing the pictures are not errors of the video.
        with errors_named(origin.source):
            for picture in encoded_frames(video, self._short_side, self._quality):
                yield picture
                after_frame()

    def _is_there(self, target: str, origin: Origin) -> bool:
        if not files.exists(target):
            return False
        try:
            with RecordReader(target) as record:
                found = record.origin
        except VideoError:
            return False
        if found != origin:
            raise ValueError(
                "`directory` must hold no records but those of the same videos and "
                f"settings; the next one is {origin}. Received: {target!r}, which is "
                f"{found}"
            )
        return not found.is_outdated(origin)
