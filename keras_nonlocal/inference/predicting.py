"""`predict_video`: whole videos in, one row of scores per video out."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_nonlocal.data.arguments import check_positive_integer
from keras_nonlocal.data.decoding import PyAVReader
from keras_nonlocal.data.failures import FailurePolicy, OnError
from keras_nonlocal.data.readers import OpenVideo, VideoError
from keras_nonlocal.data.sampling import ShortVideos
from keras_nonlocal.data.sources import VideoList
from keras_nonlocal.inference.reduction import (
    Reduction,
    check_reduction,
    reduce_views,
)
from keras_nonlocal.inference.scoring import scored_videos
from keras_nonlocal.inference.views import (
    CropSize,
    pixel_preprocessing,
    view_loader,
)
from keras_nonlocal.models.clip_shape import num_classes

Path = str | os.PathLike[str]


def predict_video(
    model: keras.Model,
    path_or_paths: Path | Sequence[Path],
    num_clips: int = 10,
    num_crops: int = 3,
    *,
    num_frames: int | None = None,
    frame_stride: int = 8,
    crop_size: CropSize = None,
    short_side: int | None = None,
    target_fps: float | None = None,
    short_videos: ShortVideos = "loop",
    reduction: Reduction = "mean",
    on_error: OnError = "raise",
    batch_size: int = 8,
    preprocessing: Callable[[Any], Any] | None = None,
    open_video: OpenVideo = PyAVReader,
    verbose: str | int = 0,
) -> np.ndarray:
    """Scores whole videos: the mean over clips and crops of what the model puts out.

    Each file is decoded once; views of different videos share batches.

    Args:
        model: Takes clips `(batch, num_frames, height, width, 3)` and returns scores
            `(batch, classes)`.
        path_or_paths: One video file or several.
        num_clips: Clips per video, evenly spaced from its first to its last frame.
            Defaults to `10`.
        num_crops: 1 (the centre) or 3 (side by side along the longer side of the
            picture). Defaults to `3`.
        num_frames: Frames per clip. Defaults to that of the model's input.
        frame_stride: Distance between two frames of a clip, in frames; use that of
            the training. Defaults to `8`.
        crop_size: Side of the square crop, or `(height, width)`, in pixels, or
            `"whole"`: the picture is scaled and not cropped, for a model built with
            height and width `None` and a `score_window`; then `num_crops` is 1.
            Defaults to that of the model's input.
        short_side: Pixels to which the shorter side of the picture is scaled.
            Defaults to 8/7 of the longer side of the crop, and to 256 for whole
            pictures.
        target_fps: Frames per second at which `frame_stride` counts. Defaults to the
            frames of the file.
        short_videos: `"loop"` or `"repeat_last"`, for videos shorter than a clip.
        reduction: From the scores of the views to that of the video: their `"mean"`
            or `"max"`, or `"logits"`, the softmax (or sigmoid) of the mean of their
            logits. Defaults to `"mean"`.
        on_error: `"raise"`, `"skip"` or a function, as in
            `keras_nonlocal.data.video_dataset_from_directory`. The scores of a video
            that is skipped are NaN.
        batch_size: Views per step of the model. Defaults to `8`.
        preprocessing: Applied to the pixels, from 0 to 255, before the model. By
            default the identity if the model was built with
            `include_preprocessing=True`, otherwise `keras_nonlocal.preprocess_input`.
        open_video: As in `keras_nonlocal.data.video_dataset_from_directory`.
        verbose: `1` shows a progress bar over the videos, `"auto"` is `1`. Defaults
            to `0`.

    Returns:
        Scores `(classes,)` for one path and `(num_videos, classes)` for a sequence,
        in its order.

    Raises:
        ValueError: If an argument has a value it cannot have, or a video cannot be
            read (`keras_nonlocal.data.VideoError`) and `on_error` raises.

    Example:

    >>> scores = keras_nonlocal.predict_video(model, "cooking.mp4")  # doctest: +SKIP

    References:
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 5.1,
        "Inference": 10 clips, the mean of the softmax; the 3 crops are those of the
        released code.
    """
    check_positive_integer("batch_size", batch_size)
    check_reduction(reduction, model)
    classes = num_classes(model)
    paths, is_single = _paths(path_or_paths)
    failures = FailurePolicy(on_error, max_errors=len(paths))
    loader = view_loader(
        model,
        VideoList(paths),
        num_clips=num_clips,
        num_crops=num_crops,
        num_frames=num_frames,
        frame_stride=frame_stride,
        crop_size=crop_size,
        short_side=short_side,
        target_fps=target_fps,
        short_videos=short_videos,
        open_video=open_video,
    )
    bar = keras.utils.Progbar(
        len(paths), verbose=1 if verbose == "auto" else int(verbose), unit_name="video"
    )
    rows: list[np.ndarray | None] = [None] * len(paths)
    for index, scores in scored_videos(
        model,
        loader,
        range(len(paths)),
        batch_size,
        pixel_preprocessing(model, preprocessing),
    ):
        if isinstance(scores, VideoError):
            failures.handle(scores, index)
        else:
            rows[index] = reduce_views(scores, reduction, model)
        bar.add(1)
    failures.report("of the scores")
    nothing = np.full(classes, np.nan, "float32")
    table = np.stack([nothing if row is None else row for row in rows])
    return table[0] if is_single else table


def _paths(path_or_paths: Path | Sequence[Path]) -> tuple[tuple[str, ...], bool]:
    """The paths, and whether there was one instead of a sequence."""
    given: list[Path]
    if is_single := isinstance(path_or_paths, (str, os.PathLike)):
        given = [path_or_paths]
    else:
        given = [*path_or_paths]
    if not given:
        raise ValueError(
            "`path_or_paths` must name at least one video. "
            f"Received: path_or_paths={path_or_paths!r}"
        )
    return tuple(os.fspath(path) for path in given), is_single
