"""`predict_video` and `predict_videos`: score whole videos."""

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from keras_nonlocal.arguments import named_elsewhere
from keras_nonlocal.data.datasets.failures import FailurePolicy, OnError
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.data.readers.pyav import PyAVReader
from keras_nonlocal.data.readers.stored_frames import PicturesReader
from keras_nonlocal.data.readers.video_reader import OpenVideo, VideoError
from keras_nonlocal.data.sampling import ShortVideos
from keras_nonlocal.inference.video_scorer import (
    ScoringModel,
    VideoScorer,
    progress_bar,
    scorer,
)
from keras_nonlocal.inference.view_reduction import Reduction
from keras_nonlocal.inference.views import CropSize, Views
from keras_nonlocal.tensors import Tensor

FilePath = str | os.PathLike[str]

_FRAMES_PER_SECOND = 30.0  # of arrays, as of folders of frames


@named_elsewhere(image_size="crop_size")
def predict_video(
    model: ScoringModel,
    video: FilePath | np.ndarray | Sequence[FilePath],
    num_clips: int = 10,
    num_crops: Literal[1, 3] = 3,
    *,
    num_frames: int | None = None,
    frame_stride: int | None = None,
    crop_size: CropSize = None,
    short_side: int | None = None,
    target_fps: float | None = None,
    short_videos: ShortVideos = "loop",
    reduction: Reduction = "mean",
    on_error: OnError = "raise",
    batch_size: int = 8,
    preprocessing: Callable[[Tensor], Tensor] | None = None,
    open_video: OpenVideo = PyAVReader,
    verbose: str | int = 0,
) -> np.ndarray:
    """Scores a whole video by the mean over its clips and crops.

    The file is decoded once, and its first clips are scored while a thread decodes the
    next ones. To score several videos in shared batches, see `predict_videos`.

    Args:
        model: Takes clips `(batch, num_frames, height, width, 3)` and returns scores
            `(batch, classes)`; or an `ExportedModel`, or the path of a file that
            `export_model` wrote.
        video: Path of a video file, or the frames of a video as RGB bytes, a `uint8`
            array of shape `(num_frames, height, width, 3)`. Frames in an array follow
            each other at 30 per second, which counts only with `target_fps`. As in
            earlier versions, a sequence of paths is also accepted; see
            `predict_videos`.
        num_clips: Clips per video, evenly spaced from its first to its last frame.
            Defaults to `10`.
        num_crops: 1 (the center) or 3 (side by side along the longer side of the
            picture). Defaults to `3`.
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
        on_error: How to handle a video that cannot be read. `"raise"` raises its
            `keras_nonlocal.data.VideoError`. `"skip"` sets its scores to NaN and logs
            one warning that lists such videos. A function is called with the error; the
            scores are NaN unless the function raises. Defaults to `"raise"`.
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
            to `0`.

    Returns:
        Scores of shape `(classes,)`, or a single score for a model with one sigmoid
        unit.

    Raises:
        ValueError: If an argument has an invalid value, or the video cannot be read
            (`keras_nonlocal.data.VideoError`) and `on_error` raises.

    Example:

    >>> scores = keras_nonlocal.predict_video(model, "cooking.mp4")  # doctest: +SKIP
    >>> keras_nonlocal.decode_predictions(scores)[0]  # doctest: +SKIP

    References:
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 5.1,
        "Inference": 10 clips, the mean of the softmax; the 3 crops are those of the
        released code.
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
    is_array = hasattr(video, "__array__")
    if is_array:
        open_video = _reader_of(np.asarray(video))
    video_scorer = scorer(
        model, views, reduction, batch_size, preprocessing, open_video
    )
    is_single = is_array or isinstance(video, (str, os.PathLike))
    paths: Any = ("the array",) if is_array else (video,) if is_single else video
    table = _scores(video_scorer, paths, on_error, verbose)
    return table[0] if is_single else table


@named_elsewhere(image_size="crop_size")
def predict_videos(
    model: ScoringModel,
    videos: VideoList | Sequence[FilePath],
    num_clips: int = 10,
    num_crops: Literal[1, 3] = 3,
    *,
    num_frames: int | None = None,
    frame_stride: int | None = None,
    crop_size: CropSize = None,
    short_side: int | None = None,
    target_fps: float | None = None,
    short_videos: ShortVideos = "loop",
    reduction: Reduction = "mean",
    on_error: OnError = "raise",
    batch_size: int = 8,
    preprocessing: Callable[[Tensor], Tensor] | None = None,
    open_video: OpenVideo = PyAVReader,
    verbose: str | int = 0,
) -> np.ndarray:
    """Scores whole videos by the mean over their clips and crops.

    Each file is decoded once, and views of different videos share batches. Threads, one
    per processor core, decode the next clips and videos while the model computes. They
    begin no more videos ahead than there are threads. At most 1 GiB of decoded pixels
    waits for the model, besides what each thread is decoding: a clip and those that
    share its frames, or a whole video if its reader has no `read_clips`. The scores do
    not depend on the threads. The error of a video comes after the scores of the videos
    before it.

    Args:
        model: Takes clips `(batch, num_frames, height, width, 3)` and returns scores
            `(batch, classes)`; or an `ExportedModel`, or the path of a file that
            `export_model` wrote.
        videos: Paths of video files, or a `keras_nonlocal.data.VideoList`. If the list
            has segments, only these are scored.
        num_clips: Clips per video, evenly spaced from its first to its last frame.
            Defaults to `10`.
        num_crops: 1 (the center) or 3 (side by side along the longer side of the
            picture). Defaults to `3`.
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
        on_error: How to handle a video that cannot be read. `"raise"` raises its
            `keras_nonlocal.data.VideoError`. `"skip"` sets its scores to NaN and logs
            one warning that lists such videos. A function is called with the error; the
            scores are NaN unless the function raises. Defaults to `"raise"`.
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
            to `0`.

    Returns:
        Scores of shape `(num_videos, classes)`, in the order of `videos`.

    Raises:
        ValueError: If an argument has an invalid value, or a video cannot be read
            (`keras_nonlocal.data.VideoError`) and `on_error` raises.

    Example:

    >>> scores = keras_nonlocal.predict_videos(
    ...     model, ["cooking.mp4", "rowing.mp4"], num_clips=4)  # doctest: +SKIP

    References:
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 5.1,
        "Inference".
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
    return _scores(video_scorer, videos, on_error, verbose)


def _reader_of(frames: np.ndarray) -> OpenVideo:
    """Returns a function that opens frames in memory, whatever the path."""
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
        raise ValueError(
            "`video` must be a path, or RGB bytes of shape (num_frames, height, width, "
            "3) and type uint8; for batches of preprocessed clips, see "
            f"`model.predict`. Received: an array of shape {frames.shape} and type "
            f"{frames.dtype}"
        )
    return lambda path: PicturesReader(path, frames, _FRAMES_PER_SECOND)


def _scores(
    video_scorer: VideoScorer,
    videos: VideoList | Sequence[FilePath],
    on_error: OnError,
    verbose: str | int,
) -> np.ndarray:
    """Returns the scores `(num_videos, classes)`, with NaN for skipped videos."""
    if isinstance(videos, (str, os.PathLike)):
        raise TypeError(
            "`videos` must be a list of videos or a sequence of paths; for one path, "
            f"see `predict_video`. Received: videos={videos!r}"
        )
    if not isinstance(videos, VideoList):
        videos = VideoList(tuple(videos))  # type: ignore[arg-type]
    total = len(videos.paths)
    if not total:
        raise ValueError(
            f"`videos` must name at least one video. Received: videos={videos!r}"
        )
    failures = FailurePolicy(on_error, max_errors=total)
    bar = progress_bar(total, verbose)
    rows: list[np.ndarray | None] = [None] * total
    for index, scores in video_scorer.scores(videos, range(total)):
        if isinstance(scores, VideoError):
            failures.handle(scores, index)
        else:
            rows[index] = scores
        bar.add(1)
    failures.report("of the scores")
    nothing = np.full(video_scorer.own.num_outputs, np.nan, "float32")
    return np.stack([nothing if row is None else row for row in rows])
