"""`evaluate_videos`: evaluates a model on a labeled collection of videos."""

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from keras_nonlocal.arguments import named_elsewhere
from keras_nonlocal.data.datasets.failures import FailurePolicy, OnError
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.data.readers.pyav import PyAVReader
from keras_nonlocal.data.readers.video_reader import OpenVideo, VideoError
from keras_nonlocal.data.sampling import ShortVideos
from keras_nonlocal.inference.labeled_videos import labeled_videos
from keras_nonlocal.inference.model_fingerprint import model_fingerprint
from keras_nonlocal.inference.results_file import ResultsFile
from keras_nonlocal.inference.video_evaluation import VideoEvaluation
from keras_nonlocal.inference.video_scorer import ScoringModel, progress_bar, scorer
from keras_nonlocal.inference.view_reduction import Reduction
from keras_nonlocal.inference.views import CropSize, Views
from keras_nonlocal.tensors import Tensor

FilePath = str | os.PathLike[str]


@named_elsewhere(image_size="crop_size")
def evaluate_videos(
    model: ScoringModel,
    videos: VideoList | FilePath,
    num_clips: int = 10,
    num_crops: Literal[1, 3] = 3,
    *,
    class_names: Sequence[str] | None = None,
    results_file: FilePath | None = None,
    num_frames: int | None = None,
    frame_stride: int | None = None,
    crop_size: CropSize = None,
    short_side: int | None = None,
    target_fps: float | None = None,
    short_videos: ShortVideos = "loop",
    reduction: Reduction = "mean",
    on_error: OnError = "skip",
    max_errors: int = 100,
    batch_size: int = 8,
    preprocessing: Callable[[Tensor], Tensor] | None = None,
    open_video: OpenVideo = PyAVReader,
    verbose: str | int = "auto",
) -> VideoEvaluation:
    """Evaluates a model on whole labeled videos, as in the paper.

    Files are decoded ahead of the model, within the limits that `predict_videos` names.

    Args:
        model: Takes clips `(batch, num_frames, height, width, 3)` and returns scores
            `(batch, classes)`; one sigmoid unit decides between two classes. Or an
            `ExportedModel`, or the path of a file that `export_model` wrote.
        videos: A `keras_nonlocal.data.VideoList` with labels, or a directory with a
            folder per class. `keras_nonlocal.data` has functions that read the lists of
            published data sets. Classes may have no videos if the names of the model's
            classes are known.
        num_clips: Clips per video, evenly spaced from its first to its last frame.
            Defaults to `10`.
        num_crops: 1 (the center) or 3 (side by side along the longer side of the
            picture). Defaults to `3`.
        class_names: Names of the model's classes, in the order of its scores. The
            labels of a directory or list with class names are matched to them by name.
            Defaults to those of `model.clip_info`, or else to those of the videos.
        results_file: File to which the scores of each video are written as soon as it
            is finished, as one line of JSON. If the file exists, only videos that it
            does not contain, or that could not be read, are scored. It must have been
            written for the same model and arguments; functions are compared by name and
            by the arguments that `functools.partial` adds. Only one process at a time
            can write the file. Defaults to `None`, no file.
        num_frames: Frames per clip. Defaults to that of the model's input, or else of
            `model.clip_info`.
        frame_stride: Distance between two frames of a clip, in frames. It should be the
            same as in training. Defaults to that of `model.clip_info`, or else to 8.
        crop_size: Side of the square crop, or `(height, width)`, in pixels. With
            `"whole"`, the picture is scaled but not cropped; this requires
            `num_crops=1` and a model built with `None` as height and width and with a
            `score_window`. Defaults to that of the model's input.
        short_side: Length in pixels to which the shorter side of the picture is scaled.
            Defaults to 8/7 of the longer side of the crop, or to 256 for whole
            pictures.
        target_fps: Frames per second at which `frame_stride` counts. Defaults to that
            of `model.clip_info` with its stride, or else to the frame rate of the
            file.
        short_videos: How to fill a clip that is longer than its video: `"loop"` starts
            over, `"repeat_last"` repeats the last frame. Defaults to `"loop"`.
        reduction: How to combine the scores of the views: `"mean"`, `"max"`, or
            `"logits"`, which takes the softmax (or sigmoid) of the mean of their
            logits. Defaults to `"mean"`.
        on_error: How to handle a video that cannot be read. `"skip"` lists it in the
            result. `"raise"` raises its `keras_nonlocal.data.VideoError`. A function is
            called with the error; the video is left out unless the function raises.
            Defaults to `"skip"`.
        max_errors: Maximum number of videos to leave out. One more raises an error.
            Defaults to `100`.
        batch_size: Number of views per step of the model. Defaults to `8`.
        preprocessing: Function applied to the pixels, from 0 to 255, before the model.
            Defaults to the identity if the model was built with
            `include_preprocessing=True`, otherwise to `keras_nonlocal.preprocess_input`
            with the normalization of `model.clip_info`, if any.
        open_video: Function that opens a path and returns a context manager with
            `times` and `read(indices, framing)`; see `keras_nonlocal.data.VideoReader`.
            It is called in several threads at a time; what it returns is used in the
            thread of the call. Defaults to `keras_nonlocal.data.PyAVReader`.
        verbose: `1` shows a progress bar over the videos, `"auto"` is `1`. Defaults
            to `"auto"`.

    Returns:
        A `VideoEvaluation` with `top1`, `top5`, `mean_average_precision`, `per_class`,
        `confusion_matrix`, `scores` and `failures`.

    Raises:
        ValueError: If an argument has an invalid value, the labels do not fit the
            model's classes, or `results_file` is in use or was written for a different
            model or different arguments.

    Example:

    ```python
    result = keras_nonlocal.evaluate_videos(model, "videos/test")
    print(result)
    ```

    References:
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 5.1,
        "Inference"; `tools/test_net_video.py` of
        https://github.com/facebookresearch/video-nonlocal-net.
    """
    views = Views(
        num_clips,
        num_crops,
        num_frames,
        frame_stride,
        crop_size,
        short_side,
        target_fps,
        short_videos,
    )
    video_scorer = scorer(
        model, views, reduction, batch_size, preprocessing, open_video
    )
    labeled, names = labeled_videos(videos, class_names, video_scorer.own)
    failures = FailurePolicy(on_error, max_errors)
    bar = progress_bar(len(labeled.paths), verbose)

    def settings() -> dict[str, Any]:
        fingerprint = model_fingerprint(video_scorer.own.model)
        return {**video_scorer.settings(), "model": fingerprint}

    with ResultsFile.opened(results_file, settings) as results:
        rows = {} if results is None else results.known_scores(labeled)
        bar.update(len(rows))
        todo = [i for i in range(len(labeled.paths)) if i not in rows]
        ends = not failures.leaves_out
        for index, scores in video_scorer.scores(labeled, todo, errors_end=ends):
            if results is not None:
                results.write_outcome(labeled, index, scores)
            if isinstance(scores, VideoError):
                failures.handle(scores, index)
            else:
                rows[index] = scores
            bar.add(1)
    return evaluation_of(labeled, names, rows, failures.reasons)


def evaluation_of(
    videos: VideoList,
    class_names: tuple[str, ...],
    rows: dict[int, np.ndarray],
    reasons: dict[str, str],
) -> VideoEvaluation:
    """Returns the evaluation of the videos that have scores.

    Args:
        videos: All videos, with labels.
        class_names: Names of the classes.
        rows: The scores `(num_outputs,)` of videos by their index.
        reasons: Why the others could not be read.
    """
    scored = videos.select(sorted(rows))
    table = np.zeros((len(rows), len(class_names)), "float32")
    for place, index in enumerate(sorted(rows)):
        row = rows[index]
        # The score of a single sigmoid unit is that of the second class.
        is_binary = len(row) == 1 and len(class_names) == 2
        table[place] = (1 - row[0], row[0]) if is_binary else row
    return VideoEvaluation(
        scored.paths, scored.labels or (), table, class_names, reasons
    )
