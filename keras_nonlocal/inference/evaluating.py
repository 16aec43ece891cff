"""`evaluate_videos`: a labelled collection in, accuracies and their parts out."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from functools import partial
from typing import Any

import keras
import numpy as np

from keras_nonlocal.data.arguments import check_positive_integer
from keras_nonlocal.data.decoding import PyAVReader
from keras_nonlocal.data.failures import FailurePolicy, OnError
from keras_nonlocal.data.loading import ClipLoader
from keras_nonlocal.data.readers import OpenVideo, VideoError
from keras_nonlocal.data.sampling import ShortVideos
from keras_nonlocal.data.sources import VideoList, list_directory
from keras_nonlocal.inference.evaluation import VideoEvaluation
from keras_nonlocal.inference.reduction import (
    Reduction,
    check_reduction,
    reduce_views,
)
from keras_nonlocal.inference.results_file import ResultsFile, model_fingerprint
from keras_nonlocal.inference.scoring import scored_videos
from keras_nonlocal.inference.views import (
    CropSize,
    pixel_preprocessing,
    view_loader,
)
from keras_nonlocal.models.clip_shape import num_classes


def evaluate_videos(
    model: keras.Model,
    videos: VideoList | str | os.PathLike[str],
    num_clips: int = 10,
    num_crops: int = 3,
    *,
    results_file: str | os.PathLike[str] | None = None,
    num_frames: int | None = None,
    frame_stride: int = 8,
    crop_size: CropSize = None,
    short_side: int | None = None,
    target_fps: float | None = None,
    short_videos: ShortVideos = "loop",
    reduction: Reduction = "mean",
    on_error: OnError = "skip",
    max_errors: int = 100,
    batch_size: int = 8,
    preprocessing: Callable[[Any], Any] | None = None,
    open_video: OpenVideo = PyAVReader,
    verbose: str | int = "auto",
) -> VideoEvaluation:
    """Tests a model on whole videos with labels, as the paper does.

    Args:
        model: Takes clips `(batch, num_frames, height, width, 3)` and returns scores
            `(batch, classes)`.
        videos: A list with labels, see `keras_nonlocal.data.VideoList` and the
            functions that read the lists of known data sets; or a directory with a
            folder per class.
        num_clips: As in `predict_video`, like the other arguments not named here.
        num_crops: As in `predict_video`.
        results_file: Where the scores of each video are written as soon as it is
            finished, one line of JSON each; if the file is there, only the videos that
            it lacks, or that could not be read, are scored. It must be of the same
            model and arguments; of `preprocessing` and `open_video` the names count,
            and what `functools.partial` adds to them. Defaults to no file.
        num_frames, frame_stride, crop_size, short_side: As in `predict_video`.
        target_fps, short_videos, reduction: As in `predict_video`.
        on_error: `"skip"` lists the videos that cannot be read in the result,
            `"raise"` stops at the first, a function is called with the
            `keras_nonlocal.data.VideoError`. Defaults to `"skip"`.
        max_errors: Videos that may be left out before it stops after all. Defaults to
            `100`.
        batch_size, preprocessing, open_video: As in `predict_video`.
        verbose: `1` shows a progress bar over the videos, `"auto"` is `1`. Defaults
            to `"auto"`.

    Returns:
        A `VideoEvaluation`: `top1`, `top5`, `mean_average_precision`, `per_class`,
        `confusion_matrix`, `scores` and `failures`.

    Raises:
        ValueError: If an argument has a value it cannot have, the labels do not fit
            the model's classes, or `results_file` is of another model or other
            arguments.

    Example:

    >>> result = keras_nonlocal.evaluate_videos(model, "videos/test")  # doctest: +SKIP
    >>> print(result)  # doctest: +SKIP

    References:
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 5.1,
        "Inference"; `tools/test_net_video.py` of
        https://github.com/facebookresearch/video-nonlocal-net.
    """
    check_positive_integer("batch_size", batch_size)
    check_reduction(reduction, model)
    if not isinstance(videos, VideoList):
        videos = list_directory(videos)
    names = _checked_class_names(videos, num_classes(model))
    options: dict[str, Any] = {
        "num_clips": num_clips,
        "num_crops": num_crops,
        "num_frames": num_frames,
        "frame_stride": frame_stride,
        "crop_size": crop_size,
        "short_side": short_side,
        "target_fps": target_fps,
        "short_videos": short_videos,
    }
    loader = view_loader(model, videos, open_video=open_video, **options)
    failures = FailurePolicy(on_error, max_errors)
    pixels = pixel_preprocessing(model, preprocessing)
    bar = keras.utils.Progbar(
        len(videos.paths),
        verbose=1 if verbose == "auto" else int(verbose),
        unit_name="video",
    )
    settings = options | {
        "reduction": reduction,
        "preprocessing": _name(preprocessing),
        "open_video": _name(open_video),
    }
    with _opened(results_file, model, settings) as results:
        rows = _known_scores(videos, results)
        bar.update(len(rows))
        todo = [i for i in range(len(videos.paths)) if i not in rows]
        for index, scores in scored_videos(model, loader, todo, batch_size, pixels):
            if isinstance(scores, VideoError):
                _write(results, loader, index, error=scores.reason)
                failures.handle(scores, index)
            else:
                rows[index] = reduce_views(scores, reduction, model)
                _write(results, loader, index, scores=rows[index])
            bar.add(1)
    return _evaluation(videos, names, rows, failures.reasons)


def _opened(results_file: Any, model: keras.Model, settings: dict[str, Any]) -> Any:
    """The results file in a context that closes it, or a context of `None`."""
    if results_file is None:
        return nullcontext()
    crop_size = settings["crop_size"]
    settings = settings | {
        "crop_size": [*crop_size] if isinstance(crop_size, tuple) else crop_size,
        "model": model_fingerprint(model),
    }
    return closing(ResultsFile(results_file, settings))


def _name(function: Any) -> str | None:
    """What tells one function from another from process to process."""
    if function is None:
        return None
    if isinstance(function, partial):
        arguments = [*map(repr, function.args)]
        arguments += [f"{key}={value!r}" for key, value in function.keywords.items()]
        return f"{_name(function.func)}({', '.join(arguments)})"
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', '')}.{name}"


def _known_scores(
    videos: VideoList, results: ResultsFile | None
) -> dict[int, np.ndarray]:
    if results is None:
        return {}
    known = {
        index: results.scores(path, segment)
        for index, (path, segment) in enumerate(_paths_and_segments(videos))
    }
    return {index: row for index, row in known.items() if row is not None}


def _paths_and_segments(videos: VideoList) -> Iterator[tuple[str, Any]]:
    segments = videos.segments or (None,) * len(videos.paths)
    return zip(videos.paths, segments, strict=True)


def _write(
    results: ResultsFile | None, loader: ClipLoader, index: int, **outcome: Any
) -> None:
    if results is not None:
        videos = loader.videos
        segment = videos.segments[index] if videos.segments else None
        labels: Any = videos.labels
        results.write(videos.paths[index], segment, labels[index], **outcome)


def _evaluation(
    videos: VideoList,
    class_names: tuple[str, ...],
    rows: dict[int, np.ndarray],
    reasons: dict[str, str],
) -> VideoEvaluation:
    scored = videos.select(sorted(rows))
    table = np.zeros((len(rows), len(class_names)), "float32")
    for place, index in enumerate(sorted(rows)):
        table[place] = rows[index]
    return VideoEvaluation(
        scored.paths, scored.labels or (), table, class_names, reasons
    )


def _checked_class_names(videos: VideoList, num_classes: int) -> tuple[str, ...]:
    """Names of the classes, their numbers where the list has no names."""
    if not videos.paths or videos.labels is None:
        raise ValueError(
            "`videos` must hold at least one video, with labels. "
            f"Received: {len(videos.paths)} videos, "
            f"{'no' if videos.labels is None else 'with'} labels"
        )
    names = videos.class_names or tuple(map(str, range(num_classes)))
    largest = max(
        max(x, default=0) if isinstance(x, tuple) else x for x in videos.labels
    )
    if len(names) != num_classes:
        raise ValueError(
            f"`videos` must have the {num_classes} classes of the model. "
            f"Received: {len(names)} classes"
        )
    if largest >= num_classes:
        raise ValueError(
            f"The labels of `videos` must be below {num_classes}, the number of the "
            f"model's classes. Received: the label {largest}"
        )
    return names
