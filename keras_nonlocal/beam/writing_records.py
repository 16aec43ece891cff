"""`write_video_records` as a pipeline."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from keras_nonlocal.beam.running import (
    FilePath,
    OnError,
    Options,
    failure_policy,
    run_work,
)
from keras_nonlocal.beam.work_folder import Outcome, Video
from keras_nonlocal.data.datasets.failures import FailurePolicy
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.data.readers.pyav import PyAVReader
from keras_nonlocal.data.readers.video_reader import OpenVideo, VideoError
from keras_nonlocal.data.records.record_writer import RecordJob, RecordWriter

_PROGRESS = ".progress"


def write_video_records(
    videos: VideoList,
    directory: FilePath,
    *,
    short_side: int = 320,
    quality: int = 3,
    on_error: OnError = "skip",
    max_errors: int = 100,
    open_video: OpenVideo = PyAVReader,
    options: Options = None,
) -> VideoList:
    """Writes records as `keras_nonlocal.data.write_video_records` does, on a cluster.

    The files are the same, byte for byte. Repeat an interrupted call to resume it.
    Complete files are kept, and files of videos whose size or modification time has
    changed are rewritten.

    Args:
        videos: The videos, on storage that all workers can read.
        directory: Directory for the files, on storage that all workers can write to. It
            also gets `failures.jsonl`, with the path and the reason of each video that
            cannot be read, and the folder `.progress`.
        short_side: Length in pixels to which the shorter side of larger pictures is
            scaled. Defaults to `320`.
        quality: Quantizer of the JPEG encoder, from 2 (best) to 31 (worst). Defaults to
            `3`.
        on_error, max_errors: As in `keras_nonlocal.beam.evaluate_videos`.
        open_video: Function that opens a path. Defaults to
            `keras_nonlocal.data.PyAVReader`.
        options: Options of the pipeline, as in `keras_nonlocal.beam.evaluate_videos`.

    Returns:
        The list of the written files, with the labels and segments of `videos`.

    Raises:
        ValueError: If an argument has an invalid value, or the directory is in use, or
            contains records of other videos or with other arguments.
        VideoError: If more than `max_errors` videos cannot be read.
        RuntimeError: If the runner fails for another reason.

    Example:

    >>> records = keras_nonlocal.beam.write_video_records(
    ...     videos, "gs://bucket/records",
    ...     options=["--runner=DataflowRunner", "--region=europe-west4"],
    ... )  # doctest: +SKIP
    """
    failures = failure_policy(on_error, max_errors)
    folder = os.fspath(directory)
    work = RecordWork(folder, short_side, quality, open_video)
    writer = work.writer()
    settings = {
        "pipeline": "write_video_records",
        "short_side": short_side,
        "quality": quality,
    }
    with run_work(
        videos,
        os.path.join(folder, _PROGRESS),
        work,
        settings,
        failures,
        options,
        argument="directory",
        failures_file=os.path.join(folder, "failures.jsonl"),
    ) as progress:
        left_out = progress.indices_with_error()
    failures.report("when the records were written")
    total = range(len(videos.paths))
    written = [index for index in total if index not in left_out]
    return replace(videos, paths=tuple(map(writer.path, total))).select(written)


@dataclass(frozen=True)
class RecordWork:
    """Writes the record file of each video.

    Args:
        directory, short_side, quality, open_video: As in `write_video_records`.
    """

    directory: str
    short_side: int
    quality: int
    open_video: OpenVideo

    @property
    def keeps_outcomes(self) -> bool:
        """The outcomes are the record files, which know of which videos they are."""
        return False

    @property
    def group_size(self) -> int:
        """A video takes long enough to be worked on alone."""
        return 1

    def writer(self) -> RecordWriter:
        """Returns the writer of the directory.

        Raises:
            ValueError: If an argument has an invalid value.
        """
        return RecordWriter(
            self.directory, self.short_side, self.quality, FailurePolicy()
        )

    def outcomes(self, videos: Sequence[Video]) -> Iterator[tuple[Video, Outcome]]:
        """Yields each video with nothing or its error."""
        writer = self.writer()
        for video in videos:
            open_it: Any = partial(self.open_video, video.path)
            try:
                writer.write_file(RecordJob(video.number, video.path, open_it))
            except VideoError as error:
                yield video, {"error": error.reason}
            else:
                yield video, {}
