"""`keras-nonlocal export`: a model as files that a server loads."""

import argparse
import os
from typing import Any

from keras_nonlocal.cli.class_names import add_class_names_option, class_names_of
from keras_nonlocal.cli.json_output import print_json
from keras_nonlocal.cli.model_file import add_model_argument, load_classifier_file

_FORMATS = ("saved_model", "onnx", "litert")
_GIVEN = (
    *("top", "version", "crop_size", "short_side", "num_crops", "activation"),
    "warm_up",
)


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "export",
        help="a model as files that a server loads",
        description="Writes a numbered folder for TensorFlow Serving: bytes or JPEGs "
        "in, scores and names out, one view or several; or an ONNX or LiteRT file.",
        epilog="exit codes: 0; 2 for a user's error. "
        "example: keras-nonlocal export model.keras serving/gestures "
        "--class-names labels.txt --num-crops 3",
    )
    add_model_argument(command)
    command.add_argument(
        "directory", metavar="DIR", help="holds the versions of the model"
    )
    command.add_argument(
        "--format", choices=_FORMATS, default=_FORMATS[0], help="(default: %(default)s)"
    )
    add_class_names_option(command, "those of Kinetics for 400 classes, else none")
    group = command.add_argument_group(
        "versions, answers and encoded frames", argument_default=argparse.SUPPRESS
    )
    group.add_argument(
        "--top", type=int, metavar="NUMBER", help="of names in an answer (default: 5)"
    )
    group.add_argument(
        "--model-version",
        type=int,
        metavar="NUMBER",
        dest="version",
        help="of the folder (default: one more than the highest)",
    )
    group.add_argument(
        "--crop-size",
        type=int,
        metavar="PIXELS",
        help="side of the square cut from encoded frames (default: that of the model; "
        "one with open height or width needs this or --short-side)",
    )
    group.add_argument(
        "--short-side",
        type=int,
        metavar="PIXELS",
        help="to which the shorter side of encoded frames is scaled "
        "(default: 8/7 of the crop)",
    )
    group.add_argument(
        "--num-crops",
        type=int,
        choices=(1, 3),
        help="of encoded frames: 1, the centre, or 3 along the longer side "
        "(default: 1)",
    )
    group.add_argument(
        "--activation",
        metavar="NAME",
        help="applied to what the model puts out, such as softmax (default: none)",
    )
    command.add_argument(
        "--no-fold-batch-norm",
        action="store_false",
        dest="fold_batch_norm",
        help="keep batch normalisations as operations of their own",
    )
    command.add_argument(
        "--no-warm-up",
        action="store_false",
        dest="warm_up",
        default=argparse.SUPPRESS,
        help="write no requests that a server sends itself when it starts",
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    return command


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    # A `.keras` file can be loaded on any backend; this one writes all formats.
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    from keras_nonlocal import export_saved_model

    model = load_classifier_file(options.model)
    folder = export_saved_model(
        model,
        options.directory,
        class_names=class_names_of(model, options),
        format=options.format,
        fold_batch_norm=options.fold_batch_norm,
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
