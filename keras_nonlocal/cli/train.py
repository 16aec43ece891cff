"""`keras-nonlocal train`: trains a network on a user's videos."""

import argparse
from typing import TYPE_CHECKING, Any

from keras_nonlocal.cli.options.training import add_training_options, training_settings
from keras_nonlocal.cli.training_runs import end_of_run

if TYPE_CHECKING:
    from keras_nonlocal.runs import TrainingResult


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "train",
        help="train a network on your videos",
        description="Trains a network on labeled videos with the paper's recipe, saves "
        "it and tests it on whole videos. If it is killed and started again with the "
        "same options, it ends with the same weights as an uninterrupted run.",
        epilog="exit codes: 0; 1 if the loss is not finite, or "
        "test videos could not be read; 2 for a user's error; 3 if another worker was "
        "lost; 130 if it was interrupted. "
        "example: keras-nonlocal train videos --num-frames 32 --frame-stride 2 "
        "--stem-temporal-strides 2 2 --strategy mirrored --precision bfloat16",
    )
    add_training_options(command)
    return command


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    # Checked before the import of TensorFlow, which takes seconds.
    settings = training_settings(options)
    from keras_nonlocal.runs import run_training

    return end_of_run(options, settings, run_training, _print_test)


def _print_test(result: "TrainingResult") -> None:
    views = result.settings.test
    print(
        f"\nWhole videos: {_counted(views.num_clips, 'clip')}, "
        f"{_counted(views.num_crops, 'crop')}"
    )
    print(result.evaluation)


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
