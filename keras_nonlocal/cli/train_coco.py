"""`keras-nonlocal train-coco`: trains a detector on a user's pictures."""

import argparse
from typing import TYPE_CHECKING, Any

from keras_nonlocal.cli.coco_figures import print_coco_result
from keras_nonlocal.cli.options.detector_training import (
    add_detector_options,
    detector_settings,
)
from keras_nonlocal.cli.training_runs import end_of_run

if TYPE_CHECKING:
    from keras_nonlocal.runs import DetectorTrainingResult


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "train-coco",
        help="train a detector on your pictures",
        description="Trains Mask R-CNN or, with --keypoints, Keypoint R-CNN with "
        "non-local blocks on pictures with annotations in COCO's format, saves it and "
        "computes COCO's figures. If it is "
        "killed and started again with the same options, it ends with the same weights "
        "as an uninterrupted run.",
        epilog="exit codes: 0; 1 if the loss is not finite, or "
        "test pictures could not be read; 2 for a user's error; 3 if another worker "
        "was lost; 130 if it was interrupted. "
        "example: keras-nonlocal train-coco train.json --images train --test val.json "
        "--test-images val --horizontal-flip",
    )
    add_detector_options(command)
    return command


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    # Checked before the import of TensorFlow, which takes seconds.
    settings = detector_settings(options)
    from keras_nonlocal.runs import run_detector_training

    return end_of_run(options, settings, run_detector_training, _print_test)


def _print_test(result: "DetectorTrainingResult") -> None:
    assert result.evaluation is not None
    print()
    print_coco_result(result.evaluation)
