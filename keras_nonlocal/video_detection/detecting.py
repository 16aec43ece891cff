"""`detect_video`: a detector and a video in, the objects of its frames out."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_nonlocal.arguments import (
    check_choice,
    check_fraction,
    check_positive_integer,
)
from keras_nonlocal.data.datasets.failures import FailurePolicy, OnError
from keras_nonlocal.data.readers.pyav import PyAVReader
from keras_nonlocal.data.readers.video_reader import OpenVideo, VideoError
from keras_nonlocal.detection import RegionModel
from keras_nonlocal.files import local_path, same_file
from keras_nonlocal.inference.pictures import check_detector, checked_sides
from keras_nonlocal.optional_packages import import_pycocotools_mask
from keras_nonlocal.video_detection.detections import FrameDetections, MaskFormat
from keras_nonlocal.video_detection.frame_choice import Every, FrameChoice
from keras_nonlocal.video_detection.frame_detector import FrameDetector
from keras_nonlocal.video_detection.mp4_writer import comment_of
from keras_nonlocal.video_detection.results_file import VideoResultsFile, read_lines
from keras_nonlocal.video_detection.video_run import Output, VideoRun

FilePath = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class VideoDetections:
    """The objects in the frames of a video, one frame after the other.

    Iterating yields a `FrameDetections` for each frame that was searched. The frames
    are never all in memory. They are read from the results file; without one, each
    iteration decodes the video and finds the objects anew.

    Args:
        path: The video.
        indices: Indices of the frames to search, in presentation order.
        times: When they are shown, in seconds from the beginning of the video.
        results_file: The file of detections, or `None`.
    """

    path: str
    indices: np.ndarray
    times: np.ndarray
    results_file: Path | None
    _frames: Callable[[], Iterator[FrameDetections]]
    _failures: FailurePolicy

    @property
    def failures(self) -> dict[str, str]:
        """The video and the reason, if it cannot be read, or from some frame on."""
        return self._failures.reasons

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[FrameDetections]:
        return self._frames()


def detect_video(
    model: RegionModel,
    video: FilePath,
    *,
    every: Every = 1,
    output: FilePath | None = None,
    results_file: FilePath | None = None,
    masks: MaskFormat = "grid",
    class_names: Sequence[str] | None = None,
    min_score: float = 0.5,
    short_side: int | None = None,
    long_side: int | None = None,
    batch_size: int = 4,
    on_error: OnError = "raise",
    open_video: OpenVideo = PyAVReader,
    verbose: str | int = "auto",
) -> VideoDetections:
    """Finds the objects in the frames of a video.

    The frames are those that a player shows, in the same orientation. They are decoded
    once, in order, and their number is not limited by the memory. Each is scaled as by
    `keras_nonlocal.predict_picture`, which returns the same detections up to rounding.

    If a file is to be written, the whole video is searched before the function returns.
    Otherwise, frames are searched while the result is iterated over.

    A results file is resumed by a second call with the same arguments, also after the
    process was killed. It ends with the same bytes as if it had not been interrupted.
    The first line is `{"settings": …}`. Each further line is a frame:
    `{"frame": 30, "time": 1.0, "detections": […]}`, with the time in seconds. Each
    detection has a `"label"`, the `"name"` of its class, a `"score"`, and a `"box"`
    `[x1, y1, x2, y2]` in pixels of the frame. With `masks="grid"`, it has a `"mask"`
    with its `"size"` and its `"values"`: 8-bit values by rows, compressed by zlib, in
    Base64. With `masks="rle"`, it has a `"segmentation"` as in COCO's files. For a
    model with keypoints, it has `"keypoints"`, a list of `[x, y, score]`.

    Args:
        model: A `keras_nonlocal.detection.RegionModel`.
        video: Path of a video file.
        every: The frames to search. An integer n takes every n-th frame, and a string
            such as `"0.5s"` the frames that are on the screen every 0.5 seconds.
            Defaults to `1`, each frame.
        output: MP4 to write, without sound. It has all frames of the video at their
            times. Frames between two searched ones show the detections of the earlier
            one. An existing file is replaced only if it is of the same arguments.
            Defaults to `None`, no MP4.
        results_file: File to which the detections of each frame are written as soon as
            they are known, in JSON Lines. If the file exists, only the frames that it
            lacks are searched. It must be of the same model, video and arguments.
            While one process writes the file, it is refused to others. Defaults to
            `None`, no file.
        masks: Form of the masks. `"grid"` keeps the values on a grid over each box,
            with 8 bits in the results file. `"rle"` turns them into COCO's run lengths
            in pixels of the frame, by pycocotools. `"none"` leaves them out, also from
            `output`. Defaults to `"grid"`.
        class_names: Names of the classes. Defaults to `model.class_names`, or else to
            numbers.
        min_score: Detections with a lower score are not drawn in `output`. Defaults to
            `0.5`.
        short_side: As in `keras_nonlocal.predict_picture`.
        long_side: As in `keras_nonlocal.predict_picture`.
        batch_size: Number of frames per step of the model, which is compiled for this
            number only. Where many frames lie between searched ones and `output` is
            written, a batch holds fewer, so that less than 256 MiB of frames wait.
            Defaults to `4`.
        on_error: How to handle a video that cannot be read, or has a damaged frame.
            `"raise"` raises its `keras_nonlocal.data.VideoError`. `"skip"` ends the
            results and `output` before that frame, and logs a warning. A file that the
            reader rejects as a whole, such as an MP4 or MKV that is shorter than it
            declares, has no results and writes no files. A function is called with the
            error and has the effect of `"skip"`, unless it raises. Defaults to
            `"raise"`.
        open_video: As in `keras_nonlocal.predict_video`.
        verbose: `1` shows a progress bar over the frames while files are written,
            `"auto"` is `1`. Defaults to `"auto"`.

    Returns:
        A `keras_nonlocal.video_detection.VideoDetections`, whose elements are
        `FrameDetections`.

    Raises:
        TypeError: If the model is no detector, or an argument is of a wrong type.
        ValueError: If an argument has an invalid value, if the video cannot be read
            (`keras_nonlocal.data.VideoError`) and `on_error` raises, or if a file to
            write is of another model, video or arguments, or in use.
        ImportError: If a package is missing.

    Example:

    >>> found = keras_nonlocal.detect_video(  # doctest: +SKIP
    ...     model, "street.mp4", every=5, output="drawn.mp4",
    ...     results_file="street.jsonl")
    >>> [len(frame) for frame in found]  # doctest: +SKIP
    """
    check_detector(model)
    check_choice("masks", masks, ("grid", "rle", "none"))
    check_choice("verbose", verbose, ("auto", 0, 1))
    detector = FrameDetector(
        model,
        *checked_sides(model, short_side, long_side),
        _checked_names(model, class_names),
        masks if model.has_masks else "none",
        check_positive_integer("batch_size", batch_size),
    )
    min_score = check_fraction("min_score", min_score)
    path = _checked_path("video", video)
    choice = FrameChoice.of(every)
    failures = FailurePolicy(on_error, max_errors=1)
    run = VideoRun(path, detector, choice, open_video, failures)
    target = None if output is None else _checked_target("output", output, path)
    lines = None
    if results_file is not None:
        lines = _checked_target("results_file", results_file, path)
    if detector.mask_format == "rle":
        import_pycocotools_mask()
    return _searched(run, lines, target, min_score, 1 if verbose == "auto" else verbose)


def _searched(
    run: VideoRun,
    results_file: Path | None,
    output: Path | None,
    min_score: float,
    verbose: Any,
) -> VideoDetections:
    """Writes the files, if there are any, and returns the results."""
    try:
        indices, times = run.times()
    except VideoError as error:
        run.handle(error, "of the detections")
        nothing = np.zeros(0, np.int64)
        return VideoDetections(
            run.path, nothing, nothing / 1.0, None, lambda: iter(()), run.failures
        )
    frames = run.frames
    if results_file is not None or output is not None:
        settings = run.settings()
        drawn = None if output is None else _checked_output(output, min_score, settings)
        with VideoResultsFile.opened(results_file, lambda: settings) as results:
            run.write(results, drawn, verbose)
    if results_file is not None:
        found = [(frame.index, frame.time) for frame in read_lines(results_file)]
        indices = np.array([index for index, _ in found], np.int64)
        times = np.array([time for _, time in found], np.float64)
        frames = lambda: read_lines(results_file)  # noqa: E731
    return VideoDetections(run.path, indices, times, results_file, frames, run.failures)


def _checked_names(
    model: RegionModel, class_names: Sequence[str] | None
) -> tuple[str, ...]:
    if class_names is None:
        return model.class_names or tuple(map(str, range(model.classes)))
    is_list = not isinstance(class_names, str)
    if not is_list or len(class_names) != model.classes:
        raise ValueError(
            f"`class_names` must have the {model.classes} classes of the model. "
            f"Received: class_names={class_names!r}"
        )
    return tuple(map(str, class_names))


def _checked_path(argument: str, path: Any) -> str:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            f"`{argument}` must be a path. "
            f"Received: {argument} of type {type(path).__name__}"
        )
    return os.fspath(path)


def _checked_target(argument: str, path: FilePath, video: str) -> Path:
    """Returns the path of a file to write, which replaces no video."""
    target = local_path(argument, _checked_path(argument, path))
    ending = ".mp4" if argument == "output" else ""
    # A pipe would be read, and wait for a writer.
    is_file = target.is_file() or not target.exists()
    if not (is_file and target.name.endswith(ending) and target.parent.is_dir()):
        named = f", whose name ends in {ending}" if ending else ""
        raise ValueError(
            f"`{argument}` must be a file in an existing folder{named}. "
            f"Received: {argument}={str(target)!r}"
        )
    if target.exists() and same_file(target, video):
        raise ValueError(
            f"`{argument}` must differ from `video`, which it would replace. "
            f"Received: {argument}={str(target)!r}"
        )
    return target


def _checked_output(path: Path, min_score: float, settings: dict[str, Any]) -> Output:
    """Returns the MP4 to write, unless the file exists and holds something else."""
    comment = {"settings": settings | {"min_score": min_score}}
    if path.exists():
        found = comment_of(path)
        known = found.get("settings") if isinstance(found, dict) else None
        if not isinstance(known, dict):
            raise ValueError(
                "`output` must be a new file, or one that `detect_video` wrote. "
                f"Received: output={str(path)!r}"
            )
        expected = comment["settings"]
        differing = sorted(
            name for name in expected if known.get(name) != expected[name]
        )
        if differing:
            raise ValueError(
                "`output` exists and is of other arguments; name a new file. "
                f"Received: output={str(path)!r} with another {', '.join(differing)}"
            )
    return Output(path, min_score, comment)
