"""`predict_videos` as a pipeline."""

from collections.abc import Callable, Sequence
from pathlib import Path

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
from keras_nonlocal.beam.work_folder import WorkFolder
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.data.readers.pyav import PyAVReader
from keras_nonlocal.data.readers.video_reader import OpenVideo
from keras_nonlocal.files import local_file, replacing
from keras_nonlocal.inference.view_reduction import Reduction
from keras_nonlocal.inference.views import Views
from keras_nonlocal.tensors import Tensor


def predict_videos(
    model: keras.Model,
    videos: VideoList | Sequence[FilePath],
    work_directory: FilePath,
    views: Views | None = None,
    *,
    scores_file: FilePath | None = None,
    reduction: Reduction = "mean",
    on_error: OnError = "skip",
    max_errors: int = 100,
    batch_size: int = 8,
    preprocessing: Callable[[Tensor], Tensor] | None = None,
    open_video: OpenVideo = PyAVReader,
    options: Options = None,
) -> np.ndarray:
    """Scores videos as `keras_nonlocal.predict_videos` does, on a cluster.

    A network without its top gives embeddings. The scores are the same, up to the
    rounding of batches with other views in them. Repeat an interrupted call to resume
    it.

    Args:
        model: Takes clips `(batch, num_frames, height, width, 3)` and returns scores or
            features `(batch, outputs)`. It is saved in `work_directory`, from which
            workers load it.
        videos: Paths of video files, or a `keras_nonlocal.data.VideoList`, on storage
            that all workers can read. If the list has segments, only these are scored.
        work_directory: As in `keras_nonlocal.beam.evaluate_videos`.
        views: The clips and crops to score. Defaults to
            `keras_nonlocal.inference.Views()`, 10 clips with 3 crops.
        scores_file: File of NumPy (`.npy`) to which the scores are written at the end,
            part by part, so that they need not fit into memory. Defaults to `None`, no
            file.
        reduction: How to combine the scores of the views: `"mean"`, `"max"`, or
            `"logits"`. Defaults to `"mean"`.
        on_error, max_errors: As in `keras_nonlocal.beam.evaluate_videos`. The scores of
            videos that cannot be read are NaN.
        batch_size: Number of views per step of the model. Defaults to `8`.
        preprocessing, open_video: As in `keras_nonlocal.beam.evaluate_videos`.
        options: Options of the pipeline, as in `keras_nonlocal.beam.evaluate_videos`.

    Returns:
        Scores of shape `(num_videos, outputs)` in float32, in the order of `videos`.
        With `scores_file`, it is that file, mapped into memory.

    Raises:
        ValueError: If an argument has an invalid value, or `work_directory` is in use,
            or of another model, list or arguments.
        VideoError: If more than `max_errors` videos cannot be read.
        RuntimeError: If the runner fails for another reason.

    Example:

    >>> network = keras_nonlocal.NLResNet50I3D(
    ...     include_top=False, weights="kinetics400", input_shape=(8, 224, 224, 3),
    ...     pooling="avg",
    ... )  # doctest: +SKIP
    >>> features = keras_nonlocal.beam.predict_videos(
    ...     network, videos, "gs://bucket/features", scores_file="features.npy",
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
    if isinstance(videos, str):
        raise TypeError(
            "`videos` must be a list of videos or a sequence of paths. "
            f"Received: videos={videos!r}"
        )
    if not isinstance(videos, VideoList):
        videos = VideoList(tuple(videos))  # type: ignore[arg-type]
    failures = failure_policy(on_error, max_errors)
    shape = len(videos.paths), scoring.scorer.own.num_outputs
    if scores_file is not None:
        scores_file = local_file("scores_file", scores_file)
    with scoring.run(videos, failures) as folder:
        if scores_file is None:
            table = np.empty(shape, "float32")
            _fill(table, folder)
        else:
            _write(scores_file, shape, folder)
            table = np.load(scores_file, mmap_mode="r")
    failures.report("of the scores")
    return table


def _write(path: Path, shape: tuple[int, int], folder: WorkFolder) -> None:
    with replacing(path) as unfinished:
        table = np.lib.format.open_memmap(unfinished, "w+", "float32", shape)
        _fill(table, folder)
        table.flush()


def _fill(table: np.ndarray, folder: WorkFolder) -> None:
    """Writes the scores into a table, and NaN for videos without scores."""
    following = 0
    for index, outcome in readable(folder):
        table[following:index] = np.nan
        table[index] = decoded_scores(outcome["scores"])
        following = index + 1
    table[following:] = np.nan
