"""The options for the views of a video."""

import argparse
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from keras_nonlocal.cli.options.converters import crop_size
from keras_nonlocal.runs.folder import trained_clips

if TYPE_CHECKING:
    from keras_nonlocal.inference import Views

FRAME_STRIDE_HELP = (
    "distance between two frames of a clip (default: that of the training, as the "
    "model says, else 8)"
)
TARGET_FPS_HELP = (
    "frames per second at which the stride counts (default: with the stride of the "
    "training, that of the training, if the model says it; else the file's)"
)


def add_view_options(
    command: argparse.ArgumentParser, num_clips: int = 10, num_crops: int = 3
) -> None:
    """Adds the options.

    Except for the first two, those that the user leaves out are not in the namespace.

    Args:
        command: The parser.
        num_clips: Default number of clips.
        num_crops: Default number of crops.
    """
    group = command.add_argument_group(
        "views", "as in predict_videos", argument_default=argparse.SUPPRESS
    )
    group.add_argument(
        "--num-clips",
        type=int,
        default=num_clips,
        metavar="NUMBER",
        help="clips per video (default: %(default)s)",
    )
    group.add_argument(
        "--num-crops",
        type=int,
        choices=(1, 3),
        default=num_crops,
        help="1 (the center) or 3 (along the longer side) crops (default: %(default)s)",
    )
    group.add_argument(
        "--num-frames",
        type=int,
        metavar="FRAMES",
        help="frames per clip (default: that of the model)",
    )
    group.add_argument(
        "--frame-stride",
        type=int,
        metavar="FRAMES",
        help=FRAME_STRIDE_HELP,
    )
    group.add_argument(
        "--crop-size",
        type=crop_size,
        metavar="PIXELS",
        help='side of the square crop, or "whole" (default: that of the model)',
    )
    group.add_argument(
        "--short-side",
        type=int,
        metavar="PIXELS",
        help="length of the scaled shorter side (default: 8/7 of the crop)",
    )
    group.add_argument(
        "--target-fps",
        type=float,
        metavar="RATE",
        help=TARGET_FPS_HELP,
    )
    group.add_argument(
        "--short-videos",
        choices=("loop", "repeat_last"),
        help="how to fill a clip that is longer than its video (default: loop)",
    )
    group.add_argument(
        "--reduction",
        choices=("mean", "max", "logits"),
        help="how to combine the scores of views (default: mean)",
    )
    group.add_argument(
        "--batch-size",
        type=int,
        metavar="VIEWS",
        help="views per step of the model (default: 8)",
    )


def view_arguments(model: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Returns the arguments of `predict_videos` and `evaluate_videos`.

    Raises:
        TypeError: If a value has another type.
        ValueError: If a view cannot be taken.
    """
    return asdict(given_views(model, options)) | given_steps(options)


def given_views(model: Any, options: argparse.Namespace) -> "Views":
    """Returns the views to score.

    Views that the user left out have the frame stride of the training run, if it is
    known, and the defaults of `keras_nonlocal.inference.Views`.

    Raises:
        TypeError: If a value has another type.
        ValueError: If a view cannot be taken.
    """
    from keras_nonlocal.inference import Views

    given = vars(options)
    stated = {
        each.name: given[each.name] for each in fields(Views) if each.name in given
    }
    return Views(**trained_rate(model, options.model, stated) | stated)


def given_steps(options: argparse.Namespace) -> dict[str, Any]:
    """Returns `reduction` and `batch_size` if the user gave them."""
    given = vars(options)
    return {name: given[name] for name in ("reduction", "batch_size") if name in given}


def trained_rate(model: Any, file: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the frame stride and rate of the run that wrote an older model.

    Newer models hold them. They are left out if the user gave a stride.

    Args:
        model: The model.
        file: Its file, beside which `config.json` may be.
        given: The user's choices.
    """
    from keras_nonlocal.models.clip_model import clip_info

    clips = trained_clips(file)
    known = "frame_stride" in given or clip_info(model).frame_stride is not None
    if known or clips is None:
        return {}
    return {"frame_stride": clips.frame_stride, "target_fps": clips.target_fps}
