"""`keras-nonlocal export`: exports a model for servers and other runtimes."""

import argparse
import os
from collections.abc import Sequence
from typing import Any

from keras_nonlocal.cli.json_output import print_json
from keras_nonlocal.cli.options.calibration import (
    add_calibration_options,
    calibration_clips,
    check_calibration_options,
)
from keras_nonlocal.cli.options.class_names import (
    add_class_names_option,
    class_names_of,
    known_detector_names,
)
from keras_nonlocal.cli.options.model_file import (
    add_model_argument,
    as_classifier,
    load_model_file,
)

_FORMATS = ("saved_model", "onnx", "litert", "openvino")
_GIVEN = (
    "top",
    "version",
    "crop_size",
    "short_side",
    "num_crops",
    "activation",
    "warm_up",
    "long_side",
)


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "export",
        help="export a model for servers and other runtimes",
        description="Writes a numbered folder for TensorFlow Serving, whose model "
        "takes one or several views as pixels or JPEGs and returns scores and names, "
        "or an ONNX, LiteRT or OpenVINO file.",
        epilog="exit codes: 0; 2 for a user's error. "
        "example: keras-nonlocal export model.keras serving/gestures "
        "--class-names labels.txt --num-crops 3",
    )
    add_model_argument(command)
    command.add_argument(
        "directory", metavar="DIR", help="folder with the versions of the model"
    )
    command.add_argument(
        "--format", choices=_FORMATS, default=_FORMATS[0], help="(default: %(default)s)"
    )
    add_class_names_option(command, "those of Kinetics for 400 classes, else none")
    add_calibration_options(command)
    group = command.add_argument_group(
        "versions, outputs and encoded frames", argument_default=argparse.SUPPRESS
    )
    group.add_argument(
        "--top", type=int, metavar="NUMBER", help="names to return (default: 5)"
    )
    group.add_argument(
        "--model-version",
        type=int,
        metavar="NUMBER",
        dest="version",
        help="version number (default: one more than the highest)",
    )
    group.add_argument(
        "--crop-size",
        type=int,
        metavar="PIXELS",
        help="side of the square crop of encoded frames (default: that of the model; "
        "a model with variable height or width needs this or --short-side)",
    )
    group.add_argument(
        "--short-side",
        type=int,
        metavar="PIXELS",
        help="length of the scaled shorter side of encoded frames "
        "(default: 8/7 of the crop; for a detector, 800)",
    )
    group.add_argument(
        "--long-side",
        type=int,
        metavar="PIXELS",
        help="for a detector, the maximum length of the longer side of encoded "
        "pictures (default: 1333)",
    )
    group.add_argument(
        "--num-crops",
        type=int,
        choices=(1, 3),
        help="1 (the center) or 3 (along the longer side) crops of encoded frames "
        "(default: 1)",
    )
    group.add_argument(
        "--activation",
        metavar="NAME",
        help="activation for the model's outputs, such as softmax (default: none)",
    )
    command.add_argument(
        "--no-fold-batch-norm",
        action="store_false",
        dest="fold_batch_norm",
        help="keep batch normalizations as separate operations",
    )
    command.add_argument(
        "--no-warm-up",
        action="store_false",
        dest="warm_up",
        default=argparse.SUPPRESS,
        help="do not write warm-up requests for the start of a server",
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(
        renamed={"version": "model_version", "directory": "DIR", "path": "DIR"}
    )
    return command


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    # A `.keras` file can be loaded on any backend, and TensorFlow writes all formats.
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    check_calibration_options(options)
    model = load_model_file(options.model)
    from keras_nonlocal import export_model
    from keras_nonlocal.detection import RegionModel

    if isinstance(model, RegionModel):
        names: Sequence[str] | None = known_detector_names(model, options)
    else:
        model = as_classifier(model)
        names = class_names_of(model, options)
    clips = calibration_clips(model, options)
    folder = export_model(
        model,
        options.directory,
        options.format,
        class_names=names,
        fold_batch_norm=options.fold_batch_norm,
        calibration_clips=clips,
        **{key: value for key, value in vars(options).items() if key in _GIVEN},
    )
    if options.json:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        printed = {
            "folder": str(folder),
            "version": int(folder.name),
            "format": options.format,
            "files": {
                str(path.relative_to(folder)): path.stat().st_size for path in files
            },
        }
        print_json(printed)
    else:
        print(f"written to {folder}")
    return 0
