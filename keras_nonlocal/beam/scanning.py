"""`scan_videos` as a pipeline."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from os import fspath

from keras_nonlocal.beam.running import FilePath, Options, readable, run_work
from keras_nonlocal.beam.work_folder import Outcome, Video
from keras_nonlocal.data.csv_table import CsvTable, check_own_file
from keras_nonlocal.data.datasets.failures import FailurePolicy
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.data.readers.video_reader import VideoError
from keras_nonlocal.data.scanning import VideoFacts, video_facts


def scan_videos(
    paths: Iterable[FilePath],
    work_directory: FilePath,
    csv_file: FilePath | None = None,
    *,
    decode: bool = True,
    options: Options = None,
) -> list[VideoFacts]:
    """Scans videos as `keras_nonlocal.data.scan_videos` does, on a cluster.

    Repeat an interrupted call to resume it. A scan that has ended is not repeated; to
    scan the same videos again, name a new directory.

    Args:
        paths: Video files or folders of frames, on storage that all workers can read.
        work_directory: Directory for the facts that are known so far, on storage that
            all workers can write to. It also gets `failures.jsonl`, with the path and
            the reason of each video that cannot be read.
        csv_file: CSV file for the facts, written at the end, with one line per file in
            the order of `paths`. It is the file of the scan on one machine. Defaults to
            `None`, no file.
        decode: Whether to decode all frames, or only to read the packets.
        options: Options of the pipeline, as in `keras_nonlocal.beam.evaluate_videos`.

    Returns:
        The facts, in the order of `paths`.

    Raises:
        ValueError: If an argument has an invalid value, or the directory is in use, or
            contains the facts of other videos.
        OSError: If `csv_file` cannot be written.
        RuntimeError: If the runner fails.

    Example:

    >>> facts = keras_nonlocal.beam.scan_videos(
    ...     videos.paths, "gs://bucket/scan",
    ...     options=["--runner=DataflowRunner", "--region=europe-west4"],
    ... )  # doctest: +SKIP
    """
    videos = VideoList(tuple(fspath(path) for path in paths))
    if csv_file is not None:
        check_own_file("csv_file", csv_file, videos.paths)
    settings = {"pipeline": "scan_videos", "decode": decode}
    with run_work(
        videos, work_directory, ScanWork(decode), settings, FailurePolicy(), options
    ) as folder:
        facts = [VideoFacts(*found["facts"]) for _, found in readable(folder)]
        broken = (VideoError(fact.path, fact.error) for fact in facts if fact.error)
        folder.write_failures(broken)
    if csv_file is not None:
        with CsvTable(csv_file, [field.name for field in fields(VideoFacts)]) as table:
            for fact in facts:
                table.write(astuple(fact))
    return facts


@dataclass(frozen=True)
class ScanWork:
    """Opens and decodes each video. That it cannot be read is a fact, not an error.

    Args:
        decode: Whether to decode all frames.
    """

    decode: bool

    @property
    def keeps_outcomes(self) -> bool:
        """The facts are kept."""
        return True

    @property
    def group_size(self) -> int:
        """A video takes long enough to be worked on alone."""
        return 1

    def outcomes(self, videos: Sequence[Video]) -> Iterator[tuple[Video, Outcome]]:
        """Yields each video and its facts."""
        for video in videos:
            yield video, {"facts": astuple(video_facts(video.path, self.decode))}
