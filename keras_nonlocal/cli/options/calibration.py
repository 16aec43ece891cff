"""The options for the clips from which `export` measures the ranges of int8."""

import argparse
from typing import TYPE_CHECKING, Any

from keras_nonlocal.runs.video_sources import read_given_videos

if TYPE_CHECKING:
    import numpy as np


def add_calibration_options(command: argparse.ArgumentParser) -> None:
    """Adds the options."""
    group = command.add_argument_group("int8", "quantization for OpenVINO")
    group.add_argument(
        "--calibration-videos",
        nargs="+",
        metavar="VIDEO",
        help="quantize to int8, with ranges that are measured on these videos: video "
        "files, folders of frames, directories with either of them, or lists, such as "
        "those of the training (needs nncf)",
    )
    group.add_argument(
        "--calibration-clips",
        type=int,
        default=300,
        metavar="NUMBER",
        help="maximum number of clips, one for each of so many videos at equal "
        "distances in the list (default: %(default)s)",
    )
    group.add_argument(
        "--on-error",
        choices=("raise", "skip"),
        default="raise",
        help="how to handle one of these videos that cannot be read "
        "(default: %(default)s)",
    )


def check_calibration_options(options: argparse.Namespace) -> None:
    """Checks the options before a model is loaded.

    Raises:
        ValueError: If an option does not fit the others.
    """
    if options.calibration_videos is None:
        return
    if options.format != "openvino":
        raise ValueError(
            "`calibration_videos` has an effect with `--format openvino` alone. "
            f"Received: format={options.format!r}"
        )
    if options.calibration_clips < 1:
        raise ValueError(
            "`calibration_clips` must be at least 1. "
            f"Received: calibration_clips={options.calibration_clips}"
        )


def calibration_clips(model: Any, options: argparse.Namespace) -> "np.ndarray | None":
    """Reads the clip in the middle of each chosen video, or returns `None`.

    Returns:
        `(num_clips, num_frames, height, width, 3)`, uint8.

    Raises:
        ReadError: If a video cannot be read and is not to be skipped, or none can.
        ValueError: If the options do not fit the model.
    """
    if options.calibration_videos is None:
        return None
    import numpy as np

    from keras_nonlocal.data.datasets.clip_loader import ClipLoader
    from keras_nonlocal.data.datasets.failures import FailurePolicy
    from keras_nonlocal.data.opening import open_any_video
    from keras_nonlocal.data.readers.read_error import ReadError
    from keras_nonlocal.detection import RegionModel
    from keras_nonlocal.inference import Views
    from keras_nonlocal.models.clip_model import clip_model

    if isinstance(model, RegionModel):
        raise ValueError(
            "`calibration_videos` has an effect for a clip model alone. "
            "Received: a detector"
        )
    crop_size = vars(options).get("crop_size")
    views = Views(num_clips=1, num_crops=1, crop_size=crop_size)
    videos = read_given_videos(options.calibration_videos)
    loader = ClipLoader(
        videos, open_any_video, views.resolved(clip_model(model)).sampler()
    )
    total = len(videos.paths)
    count = min(total, options.calibration_clips)
    chosen = np.linspace(0, total - 1, count).round().astype(int)
    clips = []
    failures = FailurePolicy(options.on_error, max_errors=count - 1)
    for index in chosen.tolist():
        try:
            clips.append(loader.load(index))
        except ReadError as error:
            failures.handle(error, index)
    failures.report("of the calibration")
    return np.concatenate(clips)
