"""Checks a collection of videos before training."""

import os
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, suppress
from dataclasses import astuple, dataclass, fields

from keras_nonlocal.arguments import check_positive_integer
from keras_nonlocal.data.csv_table import CsvTable, check_own_file
from keras_nonlocal.data.opening import open_any_video
from keras_nonlocal.data.parallel import Workers
from keras_nonlocal.data.readers.video_reader import (
    TimelineChangedError,
    VideoError,
    errors_named,
)
from keras_nonlocal.processors import num_processors


@dataclass(frozen=True)
class VideoFacts:
    """The facts that a scan finds about a file.

    Args:
        path: The file, or the folder of frames.
        num_frames: Number of frames in the video.
        duration: Seconds from the first to the last frame.
        height: Height of the stored picture in pixels; of the first frame of a folder.
        width: Width of the stored picture in pixels.
        codec: FFmpeg's name of the codec.
        error: Why the file cannot be read; empty if it can be read.
    """

    path: str
    num_frames: int = 0
    duration: float = 0.0
    height: int = 0
    width: int = 0
    codec: str = ""
    error: str = ""


def scan_videos(
    paths: Iterable[str | os.PathLike[str]],
    csv_file: str | os.PathLike[str] | None = None,
    *,
    decode: bool = True,
    num_threads: int | None = None,
    progress: Callable[[VideoFacts], None] | None = None,
) -> list[VideoFacts]:
    """Opens and decodes every video, several at a time.

    Damage that the decoder conceals silently is not found. If `progress` or the disk
    fails or the user interrupts the scan, it stops at once, and `csv_file` has a
    complete line for each checked file.

    Args:
        paths: Video files or folders of frames (JPEG or PNG, 30 per second), for
            instance `VideoList.paths` or `Dataset.file_paths`.
        csv_file: CSV file for the facts, with one line per file in the order of
            `paths`, written as soon as they are known. Defaults to `None`, no file.
        decode: Whether to decode all frames, or only to read the packets.
        num_threads: Number of files to check at a time. Defaults to the number of
            processor cores that the process may use.
        progress: Function called with the facts of each file, in the order of `paths`.

    Returns:
        The facts, in the order of `paths`.

    Raises:
        ValueError: If an argument has an invalid value, or `csv_file` is one of the
            files of `paths`.
        OSError: If `csv_file` cannot be written.

    Example:

    >>> videos = list_directory("videos")  # doctest: +SKIP
    >>> facts = scan_videos(videos.paths, "facts.csv")  # doctest: +SKIP
    >>> whole = [i for i, fact in enumerate(facts) if not fact.error]  # doctest: +SKIP
    >>> train = video_dataset_from_list(videos.select(whole))  # doctest: +SKIP
    """
    if num_threads is not None:
        check_positive_integer("num_threads", num_threads)
    names = [os.fspath(path) for path in paths]
    if csv_file is not None:
        check_own_file("csv_file", csv_file, names)
    workers = Workers(
        lambda name: video_facts(name, decode), num_threads or num_processors()
    )
    with ExitStack() as stack:
        table = None
        if csv_file is not None:
            header = [field.name for field in fields(VideoFacts)]
            table = stack.enter_context(CsvTable(csv_file, header))
        return _in_order(workers.completed(names), table, progress)


def _in_order(
    completed: Generator[tuple[int, VideoFacts]],
    table: CsvTable | None,
    progress: Callable[[VideoFacts], None] | None,
) -> list[VideoFacts]:
    """Writes and reports the facts in the order of the files."""
    facts: list[VideoFacts] = []
    waiting: dict[int, VideoFacts] = {}
    try:
        for index, fact in completed:
            waiting[index] = fact
            while (num_written := len(facts)) in waiting:
                facts.append(waiting.pop(num_written))
                if table is not None:
                    table.write(astuple(facts[-1]))
                if progress is not None:
                    progress(facts[-1])
    finally:
        completed.close()
        if table is not None:
            # After an interruption, some files may be done before an earlier, slower
            # one.
            with suppress(OSError):
                for index in sorted(waiting):
                    table.write(astuple(waiting[index]))
    return facts


def video_facts(path: str, decode: bool) -> VideoFacts:
    """Opens a video, decodes it, and returns the facts.

    Args:
        path: The file, or the folder of frames.
        decode: Whether to decode all frames, or only to read the packets.
    """
    try:
        with errors_named(path), open_any_video(path) as video:
            if decode:
                try:
                    video.check()
                except TimelineChangedError:
                    video.check()
            times = video.times
            return VideoFacts(
                path,
                len(times),
                round(float(times[-1] - times[0]), 6),
                *video.stored_size,
                video.codec,
            )
    except VideoError as error:
        return VideoFacts(path, error=error.reason)
