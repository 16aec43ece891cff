"""Classes of what a camera films, for `keras-nonlocal predict --camera`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from keras_nonlocal.cli.options.views import given_steps, given_views

_RATE = 30.0  # frames per second, which no view depends on
_ANY = ""  # the value of `--camera` without a name


def add_camera_option(command: argparse.ArgumentParser) -> None:
    """Adds `--camera` with an optional name."""
    command.add_argument(
        "--camera",
        nargs="?",
        const=_ANY,
        metavar="NAME",
        help="score the newest clip of a camera until Ctrl+C, the center of it; NAME "
        "is a device such as /dev/video1, or on Windows, where it is needed, the name "
        "of the camera (default: the first one)",
    )


def check_camera(options: argparse.Namespace) -> None:
    """Checks that there are either videos or a camera, and no file for its scores.

    Raises:
        ValueError: If that is not the case.
    """
    is_filmed = options.camera is not None
    if is_filmed == bool(options.videos):
        received = f"{len(options.videos)} and a camera" if is_filmed else "neither"
        raise ValueError(
            f"Either a VIDEO or `--camera` must be given. Received: {received}"
        )
    for name in ("csv", "json"):
        if is_filmed and getattr(options, name):
            raise ValueError(
                f"`{name}` is for videos. Received: {name}={getattr(options, name)!r} "
                "with a camera"
            )


def predict_camera(
    model: Any, names: Sequence[str], options: argparse.Namespace
) -> int:
    """Prints the best classes of clip after clip, and returns the exit code."""
    from keras_nonlocal import decode_predictions
    from keras_nonlocal.data import PyAVReader, VideoError, VideoList
    from keras_nonlocal.data.readers.camera import CameraClips
    from keras_nonlocal.data.readers.stored_frames import PicturesReader
    from keras_nonlocal.inference.video_scorer import scorer

    steps = given_steps(options)
    video_scorer = scorer(
        model,
        replace(given_views(model, options), num_clips=1, num_crops=1),
        steps.get("reduction", "mean"),
        steps.get("batch_size", 8),
        preprocessing=None,
        open_video=PyAVReader,
    )
    views = video_scorer.views
    assert views.num_frames is not None
    assert views.frame_stride is not None
    # The frames of a clip already have their distance.
    near = replace(views, frame_stride=1, target_fps=None)
    rate = (views.num_frames, views.frame_stride, views.target_fps)
    try:
        with CameraClips(options.camera or None, *rate) as clips:
            for pixels in clips:
                reader = partial(PicturesReader, pictures=pixels, fps=_RATE)
                filmed = replace(video_scorer, views=near, open_video=reader)
                (scores,) = filmed.in_order(VideoList(("the camera",)))
                if isinstance(scores, VideoError):
                    raise scores
                _print(decode_predictions(scores, options.top, names)[0])
    except KeyboardInterrupt:
        pass
    if sys.stdout.isatty():
        print()
    return 0


def _print(best: Sequence[tuple[str, float]]) -> None:
    """Prints a line, which the next one replaces on a terminal."""
    line = ", ".join(f"{score:.2f} {name}" for name, score in best)
    if sys.stdout.isatty():
        print(f"\r{line}\033[K", end="", flush=True)
    else:
        print(line, flush=True)
