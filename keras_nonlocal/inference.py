"""Whole videos in, one row of scores per video out."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from keras_nonlocal.data.arguments import check_positive_integer
from keras_nonlocal.data.decoding import PyAVReader
from keras_nonlocal.data.pipeline import ClipLoader
from keras_nonlocal.data.readers import OpenVideo
from keras_nonlocal.data.sampling import ClipSampler, ShortVideos
from keras_nonlocal.data.sources import VideoList
from keras_nonlocal.data.transforms import FramingSampler
from keras_nonlocal.models.preprocessing import has_preprocessing, preprocess_input

Path = str | os.PathLike[str]


def predict_video(
    model: keras.Model,
    path_or_paths: Path | Sequence[Path],
    num_clips: int = 10,
    num_crops: int = 3,
    *,
    num_frames: int | None = None,
    frame_stride: int = 8,
    crop_size: int | tuple[int, int] | None = None,
    short_side: int | None = None,
    target_fps: float | None = None,
    short_videos: ShortVideos = "loop",
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
        crop_size: Side of the square crop, or `(height, width)`, in pixels. Defaults
            to that of the model's input.
        short_side: Pixels to which the shorter side of the picture is scaled.
            Defaults to 8/7 of the longer side of the crop.
        target_fps: Frames per second at which `frame_stride` counts. Defaults to the
            frames of the file.
        short_videos: `"loop"` or `"repeat_last"`, for videos shorter than a clip.
        batch_size: Views per step of the model. Defaults to `8`.
        preprocessing: Applied to the pixels, from 0 to 255, before the model. By
            default the identity if the model was built with
            `include_preprocessing=True`, otherwise `keras_nonlocal.preprocess_input`.
        open_video: As in `keras_nonlocal.data.video_dataset_from_directory`.
        verbose: As in `keras.Model.predict`. Defaults to `0`.

    Returns:
        Scores `(classes,)` for one path and `(num_videos, classes)` for a sequence,
        in its order.

    Raises:
        ValueError: If an argument has a value it cannot have, or a video cannot be
            read.

    Example:

    >>> scores = keras_nonlocal.predict_video(model, "cooking.mp4")  # doctest: +SKIP

    References:
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 5.1,
        "Inference"; the 3 crops are those of the released code.
    """
    check_positive_integer("num_clips", num_clips)
    check_positive_integer("batch_size", batch_size)
    given: list[Path]
    if single := isinstance(path_or_paths, (str, os.PathLike)):
        given = [path_or_paths]
    else:
        given = [*path_or_paths]
    if not given:
        raise ValueError(
            "`path_or_paths` must name at least one video. "
            f"Received: path_or_paths={path_or_paths!r}"
        )
    paths = tuple(os.fspath(path) for path in given)
    for path in paths:
        if not os.path.isfile(path):
            raise ValueError(
                "`path_or_paths` must name existing files. "
                f"Received: path_or_paths={path!r}"
            )
    frames, height_width = _clip_size(model, num_frames, crop_size)
    loader = ClipLoader(
        VideoList(paths, None, None),
        open_video,
        ClipSampler(frames, frame_stride, num_clips, target_fps, short_videos),
        FramingSampler(height_width, short_side, num_crops),
    )
    if preprocessing is None:
        preprocessing = _unchanged if has_preprocessing(model) else preprocess_input
    num_views = len(paths) * num_clips * num_crops
    scores = model.predict(
        ((preprocessing(batch),) for batch in _batches(loader, batch_size)),
        steps=-(-num_views // batch_size),
        verbose=verbose,
    )
    scores = scores.reshape(len(paths), num_clips * num_crops, -1).mean(axis=1)
    return scores[0] if single else scores


def _batches(loader: ClipLoader, batch_size: int) -> Iterator[np.ndarray]:
    """Yields the views of all videos, in order, `batch_size` at a time."""
    waiting: list[np.ndarray] = []
    for views in _loaded_in_order(loader):
        waiting += [*views]
        while len(waiting) >= batch_size:
            yield np.stack(waiting[:batch_size])
            del waiting[:batch_size]
    if waiting:
        yield np.stack(waiting)


def _loaded_in_order(loader: ClipLoader) -> Iterator[np.ndarray]:
    """Decodes a few videos ahead, one per processor."""
    num_workers = os.cpu_count() or 1
    with ThreadPoolExecutor(num_workers) as pool:
        pending: deque[Any] = deque()
        for index in range(len(loader.videos.paths)):
            pending.append(pool.submit(loader.load, index))
            if len(pending) > num_workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _clip_size(
    model: keras.Model,
    num_frames: int | None,
    crop_size: int | tuple[int, int] | None,
) -> tuple[int, int | tuple[int, int]]:
    """What is given, else what the model's input says."""
    positions = [*model.input_shape[1:]]
    positions.pop(0 if keras.config.image_data_format() == "channels_first" else -1)
    frames = num_frames if num_frames is not None else positions[0]
    if frames is None:
        raise ValueError(
            "`num_frames` must be given for a model that takes clips of any length. "
            f"Received: num_frames=None for the input shape {model.input_shape}"
        )
    if crop_size is not None:
        return frames, crop_size
    if None in positions[1:]:
        raise ValueError(
            "`crop_size` must be given for a model that takes clips of any size. "
            f"Received: crop_size=None for the input shape {model.input_shape}"
        )
    return frames, (positions[1], positions[2])


def _unchanged(pixels: Any) -> Any:
    return pixels
