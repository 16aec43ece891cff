"""`keras-nonlocal predict`: predicts the classes of videos."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keras_nonlocal.cli.camera import add_camera_option, check_camera, predict_camera
from keras_nonlocal.cli.finite_scores import warn_unless_finite
from keras_nonlocal.cli.json_output import print_json
from keras_nonlocal.cli.options.class_names import (
    add_class_names_option,
    class_names_or_numbers,
)
from keras_nonlocal.cli.options.model_file import (
    add_scoring_arguments,
    files_of_model,
    load_scoring_file,
)
from keras_nonlocal.cli.options.videos import add_list_options, check_csv_file
from keras_nonlocal.cli.options.views import add_view_options, given_steps, given_views
from keras_nonlocal.files import printable
from keras_nonlocal.runs.video_sources import read_given_videos

if TYPE_CHECKING:
    from keras_nonlocal.data import VideoList


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "predict",
        help="predict the classes of videos",
        description="Scores whole videos by several clips and crops each, and prints "
        "the classes with the highest scores, video by video.",
        epilog="exit codes: 0; 1 if a video could not be read; 2 for a user's error. "
        "example: keras-nonlocal predict model.keras a.mp4 videos/ --csv scores.csv",
    )
    add_scoring_arguments(command)
    command.add_argument(
        "videos",
        nargs="*",
        metavar="VIDEO",
        help="a video file, a folder of frames, a directory with either of them at any "
        "depth, or a list, with or without labels",
    )
    add_camera_option(command)
    add_list_options(command)
    add_class_names_option(command, "those of Kinetics for 400 classes, else numbers")
    command.add_argument(
        "--top",
        type=int,
        default=5,
        metavar="NUMBER",
        help="classes per video (default: %(default)s)",
    )
    command.add_argument(
        "--csv",
        metavar="FILE",
        help="file for the classes and scores, written video by video",
    )
    add_view_options(command)
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(renamed={"directory": "VIDEO"}, late_list="videos")
    return command


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    from keras_nonlocal.data.csv_table import CsvTable

    if options.top < 1:
        raise ValueError(f"`top` must be at least 1. Received: top={options.top}")
    check_camera(options)
    if options.camera is not None:
        model = load_scoring_file(options)
        return predict_camera(model, class_names_or_numbers(model, options), options)
    videos = read_given_videos(options.videos, options.list_format, options.root)
    inputs = [*options.videos, *videos.paths, *files_of_model(options)]
    check_csv_file(options.csv, inputs)
    model = load_scoring_file(options)
    names = class_names_or_numbers(model, options)
    predictions = _predictions(model, videos, names, options)
    found = []
    header = _header(min(options.top, len(names)))
    with CsvTable(options.csv, header) if options.csv else nullcontext() as table:
        for prediction in predictions:
            found.append(prediction)
            if table is not None:
                table.write(prediction.cells(header))
            if not options.json:
                prediction.print()
    warn_unless_finite([s for _, s in each.best] for each in found if not each.error)
    if options.json:
        print_json({"videos": [prediction.to_dict() for prediction in found]})
    return 1 if any(prediction.error for prediction in found) else 0


@dataclass(frozen=True)
class _Prediction:
    """The classes with the highest scores of a video, or why it cannot be read."""

    path: str
    best: Sequence[tuple[str, float]] = ()
    error: str = ""

    def print(self) -> None:
        name = printable(self.path)
        if self.error:
            print(f"{name}: {self.error}", file=sys.stderr, flush=True)
            return
        lines = [name, *(f"  {score:.4f}  {label}" for label, score in self.best)]
        print("\n".join(lines), flush=True)

    def cells(self, header: Sequence[str]) -> list[Any]:
        """Returns the values of a line of CSV under these headings."""
        values = {"path": self.path, "error": self.error}
        for place, (label, score) in enumerate(self.best, start=1):
            values |= {f"class_{place}": label, f"score_{place}": f"{score:.6f}"}
        return [values.get(name, "") for name in header]

    def to_dict(self) -> dict[str, Any]:
        if self.error:
            return {"path": self.path, "error": self.error}
        classes = [{"class": label, "score": score} for label, score in self.best]
        return {"path": self.path, "classes": classes}


def _predictions(
    model: Any, videos: "VideoList", names: Sequence[str], options: argparse.Namespace
) -> Iterator[_Prediction]:
    """Yields the prediction of each video as soon as it is known."""
    from keras_nonlocal import decode_predictions
    from keras_nonlocal.data import VideoError
    from keras_nonlocal.data.opening import open_any_video
    from keras_nonlocal.inference.video_scorer import scorer

    steps = given_steps(options)
    video_scorer = scorer(
        model,
        given_views(model, options),
        steps.get("reduction", "mean"),
        steps.get("batch_size", 8),
        preprocessing=None,
        open_video=open_any_video,
    )
    for path, scores in zip(videos.paths, video_scorer.in_order(videos), strict=True):
        if isinstance(scores, VideoError):
            yield _Prediction(path, error=scores.reason)
        else:
            (best,) = decode_predictions(scores, options.top, names)
            yield _Prediction(path, best)


def _header(num_classes: int) -> list[str]:
    """Returns the first line of the CSV file."""
    ranks = [
        f"{name}_{place}"
        for place in range(1, num_classes + 1)
        for name in ("class", "score")
    ]
    return ["path", *ranks, "error"]
