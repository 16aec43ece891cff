"""`run_work`: launches a pipeline, waits for it and reads what its workers wrote."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from keras_nonlocal import files
from keras_nonlocal.arguments import check_choice
from keras_nonlocal.beam import work_folder
from keras_nonlocal.beam.steps import GatherChunk, ReadChunk, VideoWork, WorkOnGroup
from keras_nonlocal.beam.work_folder import Outcome, WorkFolder
from keras_nonlocal.data.datasets.failures import FailurePolicy
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.optional_packages import import_beam

FilePath = str | os.PathLike[str]
# Workers cannot call a function of the launcher.
OnError = Literal["raise", "skip"]


class PipelineOptions(Protocol):
    """The class of that name in `apache_beam.options.pipeline_options`."""

    def view_as(self, cls: Any) -> Any:
        """Returns the options of one kind."""


Options = PipelineOptions | Sequence[str] | None


def failure_policy(on_error: OnError, max_errors: int) -> FailurePolicy:
    """Returns the policy of the arguments.

    Raises:
        ValueError: If an argument has an invalid value.
    """
    check_choice("on_error", on_error, ("raise", "skip"))
    return FailurePolicy(on_error, max_errors)


@contextmanager
def run_work(
    videos: VideoList,
    directory: FilePath,
    work: VideoWork,
    settings: Mapping[str, Any],
    failures: FailurePolicy,
    options: Options,
    *,
    argument: str = "work_directory",
    failures_file: str | None = None,
) -> Iterator[WorkFolder]:
    """Runs a pipeline and yields its folder, which is locked until the block ends.

    Args:
        videos: The videos.
        directory: The folder.
        work: What is done with each video.
        settings: Everything that the outcomes depend on, in JSON types.
        failures: Handles the videos that cannot be read, in the order of the list.
        options: Beam's options; see `keras_nonlocal.beam.evaluate_videos`.
        argument: Name of the user's argument with the folder, for errors.
        failures_file: File for the paths and reasons of videos that cannot be read.
            Defaults to `failures.jsonl` in the folder.

    Raises:
        ValueError: If the folder is in use, or of other videos or settings.
        VideoError: If too many videos cannot be read.
        RuntimeError: If the runner fails for another reason.
    """
    beam, options_module = import_beam()
    if not isinstance(options, options_module.PipelineOptions):
        flags: Any = options or ()
        # Without a list, Beam would read the arguments of the process.
        options = options_module.PipelineOptions([*flags])
    if not videos.paths:
        raise ValueError("`videos` must hold at least one video. Received: 0 videos")
    path = os.fspath(directory)
    folder = WorkFolder(path, len(videos.paths), work_folder.CHUNK_SIZE)
    files.make_directory(path)
    with files.lock(path, argument):
        folder.prepare(videos, settings, argument)
        folder.clear_errors()
        chunks = [*range(folder.num_chunks)]
        if work.keeps_outcomes:
            chunks = folder.unfinished_chunks()
        try:
            if chunks:
                _run_pipeline(beam, options, folder, work, chunks, failures.max_errors)
        finally:
            # Also after an error of the runner, which may be about these videos.
            _report(folder, failures, failures_file)
        yield folder


def _run_pipeline(
    beam: Any,
    options: Any,
    folder: WorkFolder,
    work: VideoWork,
    chunks: Sequence[int],
    max_errors: int,
) -> None:
    pipeline = beam.Pipeline(options=options)
    done = (
        pipeline
        | "Chunks" >> beam.Create(chunks)
        | "SpreadChunks" >> beam.Reshuffle()
        | "ReadChunk" >> beam.FlatMap(ReadChunk(folder, work)).with_output_types(bytes)
        # A runner may fuse steps, and would give one worker all videos of a chunk.
        | "SpreadVideos" >> beam.Reshuffle()
        | "Work"
        >> beam.FlatMap(WorkOnGroup(folder, work, max_errors)).with_output_types(
            tuple[int, bytes]
        )
    )
    if work.keeps_outcomes:
        _ = (
            done
            | "ByChunk" >> beam.GroupByKey()
            | "Gather" >> beam.FlatMap(GatherChunk(folder)).with_output_types(int)
        )
    state = pipeline.run().wait_until_finish()
    if state != beam.runners.runner.PipelineState.DONE:
        raise RuntimeError(
            "The pipeline must end before its results are read; the same call "
            f"continues it. Received: a pipeline in the state {state}"
        )


def _report(
    folder: WorkFolder, failures: FailurePolicy, failures_file: str | None
) -> None:
    """Lists the videos that cannot be read, and raises if they are too many."""
    errors = folder.errors()
    folder.write_failures(errors.values(), failures_file)
    for index, error in errors.items():
        failures.handle(error, index)


def readable(folder: WorkFolder) -> Iterator[tuple[int, Outcome]]:
    """Yields the index and the outcome of each video that could be read, in order."""
    return (
        (index, outcome)
        for index, outcome in folder.outcomes()
        if "error" not in outcome
    )
