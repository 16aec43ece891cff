"""`keras-nonlocal evaluate-coco`: COCO's figures of a detector."""

import argparse
import os
import sys
from typing import Any

from keras_nonlocal.cli.coco_figures import print_coco_result
from keras_nonlocal.cli.json_output import print_json
from keras_nonlocal.cli.options.model_file import add_model_argument, load_detector_file
from keras_nonlocal.cli.options.pictures import add_side_options


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "evaluate-coco",
        help="compute COCO's figures of a detector",
        description="Finds the objects in all pictures of a JSON file in COCO's "
        "format, and prints the average precision of boxes, masks and keypoints for "
        "each class and COCO's figures.",
        epilog="exit codes: 0; 1 if pictures could not be read; 2 for a user's error. "
        "example: keras-nonlocal evaluate-coco detector/model.keras val.json "
        "--images val --results-file found.jsonl",
    )
    add_model_argument(command, "train-coco")
    command.add_argument(
        "annotations", metavar="ANNOTATIONS", help="JSON file in COCO's format"
    )
    command.add_argument(
        "--images",
        metavar="DIR",
        help="folder of the pictures (default: that of ANNOTATIONS)",
    )
    command.add_argument(
        "--results-file",
        metavar="FILE",
        help="file for the detections, written picture by picture; if it exists, only "
        "the missing pictures are evaluated",
    )
    command.add_argument(
        "--detections-file",
        metavar="FILE",
        help="file for all detections in COCO's format of results",
    )
    command.add_argument(
        "--evaluator",
        choices=("pycocotools", "faster-coco-eval"),
        default="pycocotools",
        help="what computes the figures (default: %(default)s)",
    )
    command.add_argument(
        "--batch-size",
        type=int,
        default=2,
        metavar="PICTURES",
        help="pictures per batch (default: %(default)s)",
    )
    command.add_argument(
        "--max-errors",
        type=int,
        default=100,
        metavar="NUMBER",
        help="maximum number of pictures to leave out (default: %(default)s)",
    )
    add_side_options(command)
    command.add_argument(
        "--no-masks",
        dest="masks",
        action="store_false",
        help="evaluate boxes alone, for annotations without masks",
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(renamed={"annotations": "ANNOTATIONS"})
    return command


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    model = load_detector_file(options.model)
    from keras_nonlocal import evaluate_coco
    from keras_nonlocal.data import coco_dataset

    images, (short_side, long_side) = options.images, model.picture_sides
    fixed: Any = model.pyramid.input_shape[1:3]
    dataset = coco_dataset(
        options.annotations,
        os.path.dirname(options.annotations) if images is None else images,
        options.batch_size,
        shuffle=False,
        verbose=False,
        short_side=short_side if options.short_side is None else options.short_side,
        long_side=long_side if options.long_side is None else options.long_side,
        buckets=None if None in fixed else [fixed],
        masks=options.masks and model.has_masks,
        keypoints=model.has_keypoints,
    )
    result = evaluate_coco(
        model,
        dataset,
        results_file=options.results_file,
        detections_file=options.detections_file,
        evaluator=options.evaluator,
        max_errors=options.max_errors,
        verbose=int(sys.stdout.isatty() and not options.json),
    )
    if options.json:
        print_json(result.to_dict())
    else:
        print_coco_result(result)
    return 1 if result.failures else 0
