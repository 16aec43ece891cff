"""`keras-nonlocal embed`: computes features of videos."""

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from keras_nonlocal.cli.options.model_file import (
    add_model_argument,
    load_classifier_file,
)
from keras_nonlocal.cli.options.pipelines import (
    add_pipeline_options,
    check_no_work_directory,
    pipeline_arguments,
    work_directory,
)
from keras_nonlocal.cli.options.videos import add_list_options, check_csv_file
from keras_nonlocal.cli.options.views import add_view_options, given_steps, given_views
from keras_nonlocal.files import local_file, printable, replacing
from keras_nonlocal.runs.video_sources import read_given_videos

if TYPE_CHECKING:
    import keras

    from keras_nonlocal.data import VideoError, VideoList


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "embed",
        help="compute features of videos",
        description="Writes a row of numbers for each video: the mean, over its views, "
        "of what the classifier of the model takes. Videos that cannot be read have "
        "rows of NaN.",
        epilog="exit codes: 0; 1 if a video could not be read; 2 for a user's error. "
        "example: keras-nonlocal embed model.keras videos/ --output features.npy",
    )
    add_model_argument(command)
    command.add_argument(
        "videos",
        nargs="+",
        metavar="VIDEO",
        help="a video file, a folder of frames, a directory with either of them at any "
        "depth, or a list, with or without labels",
    )
    add_list_options(command)
    command.add_argument(
        "--output",
        default="features.npy",
        metavar="FILE",
        help="array of shape (videos, features) (default: %(default)s)",
    )
    command.add_argument(
        "--csv", metavar="FILE", help="file for the path and the error of each row"
    )
    command.add_argument(
        "--max-errors",
        type=int,
        default=100,
        metavar="NUMBER",
        help="maximum number of videos that cannot be read (default: %(default)s)",
    )
    add_view_options(command)
    add_pipeline_options(command)
    return command


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    if options.runner is None:
        check_no_work_directory(options)
    else:
        work_directory(options)
    output = local_file("output", options.output)
    videos = read_given_videos(options.videos, options.list_format, options.root)
    inputs = [*options.videos, *videos.paths, options.model, options.output]
    check_csv_file(options.csv, inputs)
    model = load_classifier_file(options.model)
    from keras_nonlocal.models.features import feature_model

    network = feature_model(model)
    embed = _embed_here if options.runner is None else _embed_on_cluster
    errors = embed(network, model, videos, options)
    if options.csv is not None:
        from keras_nonlocal.data.csv_table import CsvTable

        with CsvTable(options.csv, ["path", "error"]) as table:
            for path in videos.paths:
                table.write([path, errors.get(path, "")])
    for path, reason in errors.items():
        print(f"{printable(path)}: {reason}", file=sys.stderr)
    print(
        f"{len(videos.paths)} rows of {network.output_shape[-1]} features written to "
        f"{output}"
    )
    return 1 if errors else 0


def _embed_here(
    network: "keras.Model",
    model: "keras.Model",
    videos: "VideoList",
    options: argparse.Namespace,
) -> dict[str, str]:
    """Writes the features and returns the reasons of the videos without any."""
    from dataclasses import asdict

    import numpy as np

    from keras_nonlocal import predict_videos
    from keras_nonlocal.data import FailurePolicy
    from keras_nonlocal.data.opening import open_any_video

    failures = FailurePolicy("skip", options.max_errors)

    def left_out(error: "VideoError") -> None:
        failures.handle(error, len(failures.reasons))

    features = predict_videos(
        network,
        videos,
        **asdict(given_views(model, options)),
        **given_steps(options),
        on_error=left_out,
        open_video=open_any_video,
        verbose=int(sys.stdout.isatty()),
    )
    with replacing(options.output) as unfinished, unfinished.open("wb") as file:
        np.save(file, features)
    return failures.reasons


def _embed_on_cluster(
    network: "keras.Model",
    model: "keras.Model",
    videos: "VideoList",
    options: argparse.Namespace,
) -> dict[str, str]:
    """As `_embed_here`, by a pipeline."""
    from keras_nonlocal import beam
    from keras_nonlocal.data.opening import open_any_video
    from keras_nonlocal.files import open_bytes

    directory = work_directory(options)
    beam.predict_videos(
        network,
        videos,
        directory,
        given_views(model, options),
        **given_steps(options),
        scores_file=options.output,
        max_errors=options.max_errors,
        open_video=open_any_video,
        options=pipeline_arguments(options),
    )
    with open_bytes(os.path.join(directory, "failures.jsonl")) as file:
        failed = [*map(json.loads, file)]
    return {video["path"]: video["reason"] for video in failed}
