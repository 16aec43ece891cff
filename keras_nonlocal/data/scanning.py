"""Checks a collection of videos before it is trained on."""

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields

from keras_nonlocal.data.arguments import check_positive_integer
from keras_nonlocal.data.decoding import PyAVReader
from keras_nonlocal.data.readers import TimelineChangedError, VideoError


@dataclass(frozen=True)
class VideoFacts:
    """What a scan finds out about a file.

    Args:
        path: The file.
        num_frames: Frames in the video.
        duration: Seconds from the first to the last frame.
        height: Height of the stored picture in pixels.
        width: Width of the stored picture in pixels.
        codec: FFmpeg's name of the codec.
        error: Why it cannot be read; empty if it can.
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

    Damage that the decoder conceals without a word is not found.

    Args:
        paths: The files, for instance `VideoList.paths` or `Dataset.file_paths`.
        csv_file: Where to write the facts, a line for each file in the order of
            `paths`, while they are found. Defaults to nowhere.
        decode: Whether to decode all frames, or only to read the packets.
        num_threads: Files that are checked at a time. Defaults to the number of
            processor cores.
        progress: Called with the facts of each file, in the order of `paths`.

    Returns:
        The facts, in the order of `paths`.

    Example:

    >>> videos = list_directory("videos")  # doctest: +SKIP
    >>> facts = scan_videos(videos.paths, "facts.csv")  # doctest: +SKIP
    >>> whole = [i for i, fact in enumerate(facts) if not fact.error]  # doctest: +SKIP
    >>> train = video_dataset_from_list(videos.select(whole))  # doctest: +SKIP
    """
    if num_threads is not None:
        check_positive_integer("num_threads", num_threads)
    names = [os.fspath(path) for path in paths]
    with ThreadPoolExecutor(num_threads or os.cpu_count()) as pool:
        found = pool.map(lambda name: _scan(name, decode), names)
        if csv_file is not None:
            found = _written(found, csv_file)
        facts = []
        for fact in found:
            facts.append(fact)
            if progress is not None:
                progress(fact)
    return facts


def _scan(path: str, decode: bool) -> VideoFacts:
    try:
        with PyAVReader(path) as video:
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


def _written(
    found: Iterator[VideoFacts], csv_file: str | os.PathLike[str]
) -> Iterator[VideoFacts]:
    # Names of files are bytes, not always UTF-8.
    with open(
        csv_file, "w", encoding="utf-8", errors="surrogateescape", newline=""
    ) as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(VideoFacts)])
        for fact in found:
            writer.writerow(astuple(fact))
            file.flush()
            yield fact
