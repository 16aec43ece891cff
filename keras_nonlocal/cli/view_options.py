"""The options that say which views of a video are scored."""

import argparse
import json
from pathlib import Path
from typing import Any

FRAME_STRIDE_HELP = (
    "between two frames of a clip (default: that of the training, if `train` wrote its "
    "config.json beside the model, else 8)"
)

_NAMES = (
    "num_clips",
    "num_crops",
    "num_frames",
    "frame_stride",
    "crop_size",
    "short_side",
    "target_fps",
    "short_videos",
    "reduction",
    "batch_size",
)


def add_view_options(command: argparse.ArgumentParser) -> None:
    """Adds the options; what the user leaves out has `predict_video`'s default."""
    group = command.add_argument_group(
        "views", "as in predict_video", argument_default=argparse.SUPPRESS
    )
    group.add_argument(
        "--num-clips", type=int, metavar="NUMBER", help="per video (default: 10)"
    )
    group.add_argument(
        "--num-crops",
        type=int,
        choices=(1, 3),
        help="1, the centre, or 3 along the longer side (default: 3)",
    )
    group.add_argument(
        "--num-frames",
        type=int,
        metavar="FRAMES",
        help="per clip (default: that of the model)",
    )
    group.add_argument(
        "--frame-stride",
        type=int,
        metavar="FRAMES",
        help=FRAME_STRIDE_HELP,
    )
    group.add_argument(
        "--crop-size",
        type=_crop_size,
        metavar="PIXELS",
        help='side of the square, or "whole" (default: that of the model)',
    )
    group.add_argument(
        "--short-side",
        type=int,
        metavar="PIXELS",
        help="to which the shorter side is scaled (default: 8/7 of the crop)",
    )
    group.add_argument(
        "--target-fps",
        type=float,
        metavar="RATE",
        help="frames per second at which the stride counts (default: the file's)",
    )
    group.add_argument(
        "--short-videos",
        choices=("loop", "repeat_last"),
        help="what follows the end of a short video (default: loop)",
    )
    group.add_argument(
        "--reduction",
        choices=("mean", "max", "logits"),
        help="from the views to the video (default: mean)",
    )
    group.add_argument(
        "--batch-size", type=int, metavar="VIEWS", help="per step (default: 8)"
    )


def view_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `predict_video` and `evaluate_videos` that were given."""
    given = {name: value for name, value in vars(options).items() if name in _NAMES}
    return trained_frame_stride(options.model) | given


def trained_frame_stride(model: str) -> dict[str, int]:
    """`frame_stride` as in the training, if `train` wrote it beside the model."""
    try:
        text = Path(model).with_name("config.json").read_text(encoding="utf-8")
        stride = json.loads(text)["options"]["frame_stride"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {"frame_stride": stride} if isinstance(stride, int) else {}


def _crop_size(text: str) -> int | str:
    return text if text == "whole" else int(text)
