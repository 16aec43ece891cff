"""`evaluate_videos` as a pipeline."""

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from keras_nonlocal.beam.running import (
    FilePath,
    OnError,
    Options,
    failure_policy,
    readable,
)
from keras_nonlocal.beam.score_work import decoded_scores
from keras_nonlocal.beam.scoring import Scoring
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.data.readers.pyav import PyAVReader
from keras_nonlocal.data.readers.video_reader import OpenVideo, VideoError
from keras_nonlocal.files import local_file
from keras_nonlocal.inference.evaluating import evaluation_of
from keras_nonlocal.inference.labeled_videos import labeled_videos
from keras_nonlocal.inference.results_file import ResultsFile
from keras_nonlocal.inference.video_evaluation import VideoEvaluation
from keras_nonlocal.inference.view_reduction import Reduction
from keras_nonlocal.inference.views import Views
from keras_nonlocal.tensors import Tensor


def evaluate_videos(
    model: keras.Model,
    videos: VideoList | FilePath,
    work_directory: FilePath,
    views: Views | None = None,
    *,
    class_names: Sequence[str] | None = None,
    results_file: FilePath | None = None,
    reduction: Reduction = "mean",
    on_error: OnError = "skip",
    max_errors: int = 100,
    batch_size: int = 8,
    preprocessing: Callable[[Tensor], Tensor] | None = None,
    open_video: OpenVideo = PyAVReader,
    options: Options = None,
) -> VideoEvaluation:
    """Evaluates a model as `keras_nonlocal.evaluate_videos` does, on a cluster.

    The scores are the same, up to the rounding of batches with other views in them.
    Each process of a worker loads the model once. Repeat an interrupted call to resume
    it: scored videos are not scored again, and videos that could not be read are tried
    again.

    Args:
        model: Takes clips `(batch, num_frames, height, width, 3)` and returns scores
            `(batch, classes)`. It is saved in `work_directory`, from which workers load
            it.
        videos: A `keras_nonlocal.data.VideoList` with labels, or a directory with a
            folder per class, on storage that all workers can read.
        work_directory: Directory for the model, the list and the scores that are known
            so far, on storage that all workers can write to. It also gets
            `failures.jsonl`, with the path and the reason of each video that cannot be
            read. It is of one model, one list and the same arguments.
        views: The clips and crops to score. Defaults to
            `keras_nonlocal.inference.Views()`, 10 clips with 3 crops.
        class_names: As in `keras_nonlocal.evaluate_videos`.
        results_file: File to which all scores are written at the end, in the format of
            `keras_nonlocal.evaluate_videos`. If it exists, it must be of the same model
            and arguments, and gets the videos that it lacks, and the errors. Defaults
            to `None`, no file.
        reduction: How to combine the scores of the views: `"mean"`, `"max"`, or
            `"logits"`. Defaults to `"mean"`.
        on_error: How to handle a video that cannot be read. `"skip"` lists it in the
            result, and `"raise"` ends the pipeline. Defaults to `"skip"`.
        max_errors: Maximum number of videos to leave out, by all workers together. The
            worker that finds one more ends the pipeline. Runners try a failed part of a
            pipeline several times before they give up, and other workers go on in the
            meantime, so some more videos may be tried, and are listed. Defaults to
            `100`.
        batch_size: Number of views per step of the model. Defaults to `8`.
        preprocessing: As in `keras_nonlocal.evaluate_videos`. It is copied to the
            workers.
        open_video: Function that opens a path, copied to the workers. Defaults to
            `keras_nonlocal.data.PyAVReader`.
        options: Options of the pipeline: `PipelineOptions`, or arguments such as
            `["--runner=FlinkRunner", "--parallelism=64"]`. Defaults to those of Beam,
            which runs the pipeline in this process.

    Returns:
        The `keras_nonlocal.inference.VideoEvaluation`.

    Raises:
        ValueError: If an argument has an invalid value, or `work_directory` is in use,
            or of another model, list or arguments.
        VideoError: If more than `max_errors` videos cannot be read.
        RuntimeError: If the runner fails for another reason.

    Example:

    >>> result = keras_nonlocal.beam.evaluate_videos(
    ...     model, videos, "gs://bucket/evaluation",
    ...     options=["--runner=DataflowRunner", "--region=europe-west4"],
    ... )  # doctest: +SKIP
    """
    scoring = Scoring.of(
        model,
        views,
        reduction,
        batch_size,
        preprocessing,
        open_video,
        work_directory,
        options,
    )
    labeled, names = labeled_videos(videos, class_names, scoring.scorer.own)
    failures = failure_policy(on_error, max_errors)
    if results_file is not None:
        results_file = local_file("results_file", results_file)
    with ResultsFile.opened(results_file, scoring.settings) as results:
        with scoring.run(labeled, failures) as folder:
            rows = {
                index: decoded_scores(outcome["scores"])
                for index, outcome in readable(folder)
            }
            errors = folder.errors()
        if results is not None:
            _write(results, labeled, rows, errors)
    return evaluation_of(labeled, names, rows, failures.reasons)


def _write(
    results: ResultsFile,
    videos: VideoList,
    rows: Mapping[int, np.ndarray],
    errors: Mapping[int, VideoError],
) -> None:
    """Adds the outcomes that the file lacks, in the order of the list."""
    known = results.known_scores(videos)
    for index in sorted({*rows, *errors} - {*known}):
        outcome = rows.get(index)
        results.write_outcome(
            videos, index, errors[index] if outcome is None else outcome
        )
