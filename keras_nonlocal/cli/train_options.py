"""The options of a training: every value of the recipe."""

import argparse
from typing import Any

from keras_nonlocal.architectures import DEPTHS
from keras_nonlocal.cli.network_options import VIDEO_VARIANTS
from keras_nonlocal.cli.video_lists import add_list_options

_PAPER_UPDATES = 400_000
_STAGES = ("stem", "res2", "res3", "res4", "res5")

# What may change when a training goes on.
_CHANGEABLE = {
    "json",
    "check_finite",
    "jit",
    "num_clips",
    "num_crops",
    "on_error",
    "output",
    "precise_statistics",
    "run",
    "save_every",
    "tensorboard",
    "test",
}


def add_training_options(command: argparse.ArgumentParser) -> None:
    """Adds the options, in groups."""
    _add_data_options(command)
    _add_network_options(command)
    _add_clip_options(command)
    _add_recipe_options(command)
    _add_run_options(command)


def fixed_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options that must stay the same as long as a training goes on."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in vars(options).items()
        if name not in _CHANGEABLE
    }


def _add_data_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "videos",
        metavar="VIDEOS",
        help="a directory with a folder per class; one with the directories train and, "
        "if they are there, val and test, each of which has these; or a list",
    )
    group = command.add_argument_group("data")
    group.add_argument(
        "--validation", metavar="VIDEOS", help="a directory or a list, after each epoch"
    )
    group.add_argument(
        "--validation-split",
        type=float,
        metavar="SHARE",
        help="of the videos, kept for the validation instead",
    )
    group.add_argument(
        "--test", metavar="VIDEOS", help="a directory or a list, whole, at the end"
    )
    group.add_argument(
        "--on-error",
        choices=("raise", "skip"),
        default="raise",
        help="at a video that cannot be read (default: %(default)s)",
    )
    add_list_options(command)
    command.add_argument(
        "--class-names", metavar="FILE", help="one name per line, in the classes' order"
    )


def _add_network_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("network")
    group.add_argument(
        "--depth",
        type=int,
        choices=tuple(DEPTHS),
        default=50,
        help="layers (default: %(default)s)",
    )
    group.add_argument(
        "--variant",
        choices=VIDEO_VARIANTS,
        default="i3d",
        help="(default: %(default)s)",
    )
    group.add_argument(
        "--weights",
        default="imagenet",
        help="imagenet, none, kinetics400, a checkpoint that `info` lists, or a file "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--nonlocal-blocks",
        type=int,
        default=5,
        metavar="NUMBER",
        help="0, 1, 5 or 10 (default: %(default)s)",
    )
    group.add_argument(
        "--nonlocal-mode",
        metavar="MODE",
        help="such as dot_product (default: embedded_gaussian)",
    )
    group.add_argument(
        "--width",
        type=int,
        default=64,
        metavar="CHANNELS",
        help="of the first convolution (default: %(default)s)",
    )
    group.add_argument(
        "--stem-temporal-strides",
        type=int,
        nargs=2,
        default=(1, 1),
        metavar="STRIDE",
        help="2 2 in the paper's layout of 32 frames (default: 1 1)",
    )
    group.add_argument(
        "--dropout-rate",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="before the classifier (default: %(default)s)",
    )
    group.add_argument(
        "--normalization",
        choices=("batch", "frozen_batch", "synchronized_batch"),
        default="batch",
        help="(default: %(default)s)",
    )
    group.add_argument(
        "--freeze", nargs="+", choices=_STAGES, default=[], help="stages, for good"
    )


def _add_clip_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("clips")
    group.add_argument(
        "--num-frames",
        type=int,
        default=8,
        metavar="FRAMES",
        help="per clip (default: %(default)s)",
    )
    group.add_argument(
        "--frame-stride",
        type=int,
        default=8,
        metavar="FRAMES",
        help="between two frames of a clip (default: %(default)s)",
    )
    group.add_argument(
        "--crop-size",
        type=int,
        default=224,
        metavar="PIXELS",
        help="side of the square (default: %(default)s)",
    )
    group.add_argument(
        "--short-side",
        type=int,
        nargs=2,
        metavar=("MIN", "MAX"),
        help="pixels, between which the shorter side is drawn (default: 8/7 and 10/7 "
        "of the crop, 256 and 320)",
    )
    group.add_argument(
        "--horizontal-flip",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="mirror half of the clips (default: yes)",
    )


def _add_recipe_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("recipe", "defaults: those of the paper")
    group.add_argument(
        "--batch-size",
        type=int,
        default=64,
        metavar="CLIPS",
        help="of all replicas (default: %(default)s)",
    )
    group.add_argument(
        "--gradient-accumulation",
        type=int,
        default=1,
        metavar="BATCHES",
        help="per update of the weights (default: %(default)s)",
    )
    group.add_argument(
        "--learning-rate",
        type=float,
        default=0.01,
        metavar="RATE",
        help="for 64 clips per update; scaled linearly with their number "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--schedule",
        choices=("steps", "cosine"),
        default="steps",
        help="(default: %(default)s)",
    )
    group.add_argument(
        "--decay-at",
        type=float,
        nargs="+",
        default=(0.375, 0.75),
        metavar="SHARE",
        help="of the training, after which the rate is divided by 10; for steps "
        "(default: 0.375 0.75, updates 150 000 and 300 000 of 400 000)",
    )
    group.add_argument(
        "--warmup",
        type=float,
        default=34 / 196,
        metavar="SHARE",
        help="of the training in which the rate rises from a tenth; for cosine "
        "(default: 34/196, as in PySlowFast)",
    )
    length = group.add_mutually_exclusive_group()
    length.add_argument(
        "--updates",
        type=int,
        default=_PAPER_UPDATES,
        metavar="NUMBER",
        help="length of the training, rounded to epochs (default: %(default)s)",
    )
    length.add_argument("--epochs", type=int, metavar="NUMBER", help="instead")
    group.add_argument(
        "--momentum", type=float, default=0.9, help="of Nesterov (default: %(default)s)"
    )
    group.add_argument(
        "--weight-decay",
        type=float,
        default=1e-4,
        help="L2 in the gradient of kernels (default: %(default)s)",
    )
    group.add_argument(
        "--precise-statistics",
        type=int,
        default=200,
        metavar="BATCHES",
        help="for batch normalisation after the training (default: %(default)s)",
    )
    group.add_argument(
        "--num-clips",
        type=int,
        default=10,
        help="per video, in the test (default: %(default)s)",
    )
    group.add_argument(
        "--num-crops",
        type=int,
        choices=(1, 3),
        default=3,
        help="per clip, in the test (default: %(default)s)",
    )


def _add_run_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("run")
    group.add_argument(
        "--output",
        default="training",
        metavar="DIR",
        help="a training that was interrupted there goes on (default: %(default)s)",
    )
    group.add_argument(
        "--strategy",
        choices=("none", "mirrored", "multi-worker"),
        default="none",
        help="mirrored: all GPUs; multi-worker: the workers in TF_CONFIG",
    )
    group.add_argument(
        "--jit",
        choices=("auto", "on", "off"),
        default="auto",
        help="XLA; auto: on GPUs (default: %(default)s)",
    )
    group.add_argument(
        "--precision",
        choices=("float32", "bfloat16", "float16"),
        default="float32",
        help="(default: %(default)s)",
    )
    group.add_argument(
        "--seed",
        type=int,
        default=1,
        help="of weights, order and clips (default: %(default)s)",
    )
    group.add_argument(
        "--save-every",
        type=int,
        default=1000,
        metavar="BATCHES",
        help="and at the end of each epoch (default: %(default)s)",
    )
    group.add_argument(
        "--check-finite",
        action="store_true",
        help="stop at a loss that is NaN, naming the layer and the files",
    )
    group.add_argument(
        "--tensorboard", action="store_true", help="write curves and sample clips"
    )
    group.add_argument("--json", action="store_true", help="print JSON")
