"""`keras-nonlocal predict`: the best classes of videos."""

import argparse
import sys
from typing import Any

from keras_nonlocal.cli.class_names import (
    add_class_names_option,
    class_names_or_numbers,
)
from keras_nonlocal.cli.json_output import print_json
from keras_nonlocal.cli.model_file import add_model_argument, load_classifier_file
from keras_nonlocal.cli.view_options import add_view_options, view_arguments


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "predict",
        help="the best classes of videos",
        description="Scores whole videos, several clips and crops each, and prints the "
        "classes with the highest scores.",
        epilog="exit codes: 0; 1 if a video could not be read; 2 for a user's error. "
        "example: keras-nonlocal predict model.keras a.mp4 b.mp4 --num-clips 4",
    )
    add_model_argument(command)
    command.add_argument("videos", nargs="+", metavar="VIDEO", help="a video file")
    add_class_names_option(command, "those of Kinetics for 400 classes, else numbers")
    command.add_argument(
        "--top", type=int, default=5, metavar="NUMBER", help="(default: %(default)s)"
    )
    add_view_options(command)
    command.add_argument("--json", action="store_true", help="print JSON")
    return command


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    from keras_nonlocal import decode_predictions, predict_video

    model = load_classifier_file(options.model)
    names = class_names_or_numbers(model, options)
    failures: dict[str, str] = {}

    def remember(error: Any) -> None:
        failures[error.path] = error.reason

    scores = predict_video(
        model,
        options.videos,
        on_error=remember,
        verbose=int(sys.stdout.isatty() and not options.json),
        **view_arguments(options),
    )
    best = dict(
        zip(options.videos, decode_predictions(scores, options.top, names), strict=True)
    )
    if options.json:
        rows = [_as_dict(path, best[path], failures) for path in options.videos]
        print_json({"videos": rows})
    else:
        for path in options.videos:
            _print(path, best[path], failures)
    return 1 if failures else 0


def _as_dict(
    path: str, best: list[tuple[str, float]], failures: dict[str, str]
) -> dict[str, Any]:
    if path in failures:
        return {"path": path, "error": failures[path]}
    return {
        "path": path,
        "classes": [{"class": name, "score": score} for name, score in best],
    }


def _print(path: str, best: list[tuple[str, float]], failures: dict[str, str]) -> None:
    if path in failures:
        print(f"{path}: {failures[path]}", file=sys.stderr)
        return
    print(path)
    for name, score in best:
        print(f"  {score:.4f}  {name}")
