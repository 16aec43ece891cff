"""`keras-nonlocal write-records`: writes videos as TFRecords of JPEGs."""

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from keras_nonlocal import files
from keras_nonlocal.cli.json_output import print_json
from keras_nonlocal.cli.options.pipelines import (
    add_pipeline_options,
    pipeline_arguments,
)
from keras_nonlocal.cli.options.videos import add_list_options
from keras_nonlocal.files import replacing
from keras_nonlocal.runs.class_names import CLASS_NAMES_FILE
from keras_nonlocal.runs.record_lists import RECORDS_FILE
from keras_nonlocal.runs.video_sources import read_videos

if TYPE_CHECKING:
    from keras_nonlocal.data import VideoList


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "write-records",
        help="write videos as TFRecords, which load faster",
        description="Writes every video as a TFRecord file of JPEG frames, and the "
        f"list {RECORDS_FILE} of the files and their labels. The same command "
        "continues after an interruption.",
        epilog="exit codes: 0; 1 if videos could not be read; 2 for a user's error. "
        "example: keras-nonlocal write-records videos/train records/train",
    )
    command.add_argument(
        "videos",
        metavar="VIDEOS",
        help="a directory with a folder per class, or a list",
    )
    command.add_argument(
        "directory", metavar="DIR", help="folder for the records, such as records/train"
    )
    add_list_options(command)
    command.add_argument(
        "--short-side",
        type=int,
        default=320,
        metavar="PIXELS",
        help="length to which the shorter side of larger pictures is scaled "
        "(default: %(default)s)",
    )
    command.add_argument(
        "--quality",
        type=int,
        default=3,
        metavar="NUMBER",
        help="quantizer of JPEG, from 2 (best) to 31 (worst) (default: %(default)s)",
    )
    command.add_argument(
        "--threads",
        type=int,
        metavar="NUMBER",
        help="number of videos at a time (default: the number of processor cores; "
        "with --runner, the runner decides)",
    )
    command.add_argument(
        "--max-errors",
        type=int,
        default=100,
        metavar="NUMBER",
        help="maximum number of videos to leave out (default: %(default)s)",
    )
    add_pipeline_options(command, with_directory=False)
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(renamed={"directory": "VIDEOS", "num_threads": "threads"})
    return command


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    videos = read_videos(options.videos, options.list_format, options.root)
    # From here on, errors about a `directory` are about that of the records.
    options.renamed = {**options.renamed, "directory": "DIR"}
    settings = {
        "short_side": options.short_side,
        "quality": options.quality,
        "on_error": "skip",
        "max_errors": options.max_errors,
    }
    if options.runner is not None:
        if options.threads is not None:
            raise ValueError(
                "`threads` must not be given with `runner`, which has its own options. "
                f"Received: threads={options.threads}"
            )
        from keras_nonlocal import beam

        records = beam.write_video_records(
            videos, options.directory, **settings, options=pipeline_arguments(options)
        )
    else:
        from keras_nonlocal.data import write_video_records

        records = write_video_records(
            videos,
            options.directory,
            **settings,
            num_threads=options.threads,
            verbose=sys.stdout.isatty() and not options.json,
        )
    path = _write_list(records, options.directory)
    if options.json:
        counts = {"num_videos": len(videos.paths), "num_written": len(records.paths)}
        print_json(counts | {"directory": options.directory, "list": path})
    else:
        print(f"{len(records.paths)} of {len(videos.paths)} videos written")
        print(f"list of the records: {path}")
        names = os.path.join(options.directory, CLASS_NAMES_FILE)
        if records.class_names is None and files.exists(names):
            print(f"names of its classes, from before: {names}")
    return 1 if len(records.paths) < len(videos.paths) else 0


def _write_list(records: "VideoList", directory: str) -> str:
    """Writes the files and their labels, as `read_path_label_list` reads them."""
    from keras_nonlocal.data.lists.class_names import class_names_text

    path = os.path.join(directory, RECORDS_FILE)
    if records.class_names is not None:
        # First, so that no list has the names of an earlier one.
        with replacing(os.path.join(directory, CLASS_NAMES_FILE)) as unfinished:
            unfinished.write_text(class_names_text(records.class_names), "utf-8")
    labels = records.labels or ((),) * len(records.paths)
    with replacing(path) as unfinished, unfinished.open("w") as file:
        for record, label in zip(records.paths, labels, strict=True):
            indices = label if isinstance(label, tuple) else (label,)
            file.write(",".join([os.path.basename(record), *map(str, indices)]) + "\n")
    return path
