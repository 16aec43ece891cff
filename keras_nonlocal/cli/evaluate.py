"""`keras-nonlocal evaluate`: evaluates a model on a collection of videos."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from keras_nonlocal.cli.finite_scores import warn_unless_finite
from keras_nonlocal.cli.json_output import print_json
from keras_nonlocal.cli.options.class_names import (
    add_class_names_option,
    known_class_names,
)
from keras_nonlocal.cli.options.model_file import (
    add_scoring_arguments,
    load_scoring_file,
)
from keras_nonlocal.cli.options.pipelines import (
    add_pipeline_options,
    check_no_work_directory,
    pipeline_arguments,
    work_directory,
)
from keras_nonlocal.cli.options.videos import add_list_options
from keras_nonlocal.cli.options.views import (
    add_view_options,
    given_steps,
    given_views,
    view_arguments,
)
from keras_nonlocal.runs.video_sources import read_videos_of_classes

if TYPE_CHECKING:
    from keras_nonlocal.data import VideoList
    from keras_nonlocal.inference import VideoEvaluation


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "evaluate",
        help="evaluate a model on a collection of videos",
        description="Scores the whole videos of a directory with a folder per class, "
        "or of a list, and prints top-1, top-5, mean average precision and a line per "
        "class.",
        epilog="exit codes: 0; 1 if videos could not be read; 2 for a user's error. "
        "example: keras-nonlocal evaluate model.keras videos/test "
        "--results-file scores.jsonl",
    )
    add_scoring_arguments(command)
    command.add_argument(
        "videos",
        metavar="VIDEOS",
        help="a directory with a folder per class, or a list",
    )
    add_list_options(command)
    add_class_names_option(command, "those of the folders, else numbers")
    command.add_argument(
        "--results-file",
        metavar="FILE",
        help="file for the scores, written video by video; if it exists, only the "
        "missing videos are scored",
    )
    command.add_argument(
        "--max-errors",
        type=int,
        default=100,
        metavar="NUMBER",
        help="maximum number of videos to leave out (default: %(default)s)",
    )
    command.add_argument(
        "--confusion", action="store_true", help="also print the confusion matrix"
    )
    add_view_options(command)
    add_pipeline_options(command)
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(renamed={"directory": "VIDEOS"})
    return command


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    if options.runner is None:
        check_no_work_directory(options)
    else:
        work_directory(options)
    model = load_scoring_file(options)
    videos = read_videos_of_classes(
        options.videos,
        options.list_format,
        options.root,
        known_class_names(model, options),
    )
    result = _evaluation(model, videos, options)
    warn_unless_finite(result.scores)
    if options.json:
        print_json(result.to_dict())
    else:
        _print_classes(result)
        if options.confusion:
            _print_confusion(result)
        print(f"\n{result}")
    return 1 if result.failures else 0


def _evaluation(
    model: Any, videos: "VideoList", options: argparse.Namespace
) -> "VideoEvaluation":
    from keras_nonlocal.data.opening import reader_of_list

    open_video = reader_of_list(videos.paths)
    if options.runner is not None:
        from keras_nonlocal import beam

        return beam.evaluate_videos(
            model,
            videos,
            work_directory(options),
            given_views(model, options),
            results_file=options.results_file,
            max_errors=options.max_errors,
            **given_steps(options),
            open_video=open_video,
            options=pipeline_arguments(options),
        )
    from keras_nonlocal import evaluate_videos

    return evaluate_videos(
        model,
        videos,
        results_file=options.results_file,
        max_errors=options.max_errors,
        open_video=open_video,
        verbose=int(sys.stdout.isatty() and not options.json),
        **view_arguments(model, options),
    )


def _print_classes(result: Any) -> None:
    rows = result.per_class
    columns = [key for key in rows[0] if key not in ("class", "videos")]
    titles = (name.replace("_", " ") for name in columns)
    print(f"| class | videos | {' | '.join(titles)} |")
    print(f"|---|---:|{'---:|' * len(columns)}")
    for row in rows:
        numbers = " | ".join(_number(row[name]) for name in columns)
        print(f"| {row['class']} | {row['videos']} | {numbers} |")


def _print_confusion(result: Any) -> None:
    if result.confusion_matrix is None:
        print("\nno confusion matrix: the videos have several labels")
        return
    print("\nrows: the class; columns: what was taken for it\n")
    print(f"| | {' | '.join(result.class_names)} |")
    print(f"|---|{'---:|' * len(result.class_names)}")
    for name, row in zip(result.class_names, result.confusion_matrix, strict=True):
        print(f"| {name} | {' | '.join(map(str, row))} |")


def _number(value: float) -> str:
    return "" if value != value else f"{value:.3f}"
