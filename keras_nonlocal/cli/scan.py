"""`keras-nonlocal scan`: which videos of a collection cannot be read."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from keras_nonlocal.cli.json_output import print_json
from keras_nonlocal.cli.options.pipelines import (
    add_pipeline_options,
    check_no_work_directory,
    pipeline_arguments,
    work_directory,
)
from keras_nonlocal.cli.options.videos import add_list_options, check_csv_file
from keras_nonlocal.files import exists
from keras_nonlocal.runs.video_sources import read_given_videos

if TYPE_CHECKING:
    from keras_nonlocal.data import VideoFacts

_TABLE = "video_scan.csv"


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "scan",
        help="find videos that cannot be read",
        description="Decodes all frames of every video, several videos at a time, and "
        "writes a CSV file with the frames, duration, size, codec and error of each.",
        epilog="exit codes: 0; 1 if there are broken videos; 2 for a user's error. "
        "example: keras-nonlocal scan videos --csv videos.csv",
    )
    command.add_argument(
        "paths",
        nargs="+",
        metavar="VIDEO",
        help="a video file, a folder of frames, a directory with either of them at any "
        "depth, or a list",
    )
    add_list_options(command)
    command.add_argument(
        "--csv", default=_TABLE, metavar="FILE", help="(default: %(default)s)"
    )
    command.add_argument(
        "--packets-only",
        action="store_true",
        help="do not decode, which is much faster but finds only incomplete files",
    )
    command.add_argument(
        "--threads",
        type=int,
        metavar="NUMBER",
        help="number of videos at a time (default: the number of processor cores)",
    )
    add_pipeline_options(command)
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(renamed={"directory": "VIDEO", "num_threads": "threads"})
    return command


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    if options.runner is None:
        check_no_work_directory(options)
    if missing := [path for path in options.paths if not exists(path)]:
        raise ValueError(f"Every VIDEO must exist. Received: {missing[0]!r}")
    paths = [
        *dict.fromkeys(
            read_given_videos(options.paths, options.list_format, options.root).paths
        )
    ]
    check_csv_file(options.csv, [*options.paths, *paths])
    facts = _scan(paths, options)
    broken = [fact for fact in facts if fact.error]
    if options.json:
        counts = {"num_videos": len(facts), "num_broken": len(broken)}
        videos = {"videos": [asdict(fact) for fact in facts]}
        print_json(counts | {"csv": options.csv} | videos)
    else:
        _print(facts, broken)
        print(f"written to {options.csv}")
    return 1 if broken else 0


def _scan(paths: "Sequence[str]", options: argparse.Namespace) -> "list[VideoFacts]":
    decode = not options.packets_only
    if options.runner is not None:
        if options.threads is not None:
            raise ValueError(
                "`num_threads` must not be given with `runner`, which has its own "
                f"options. Received: num_threads={options.threads}"
            )
        from keras_nonlocal import beam

        return beam.scan_videos(
            paths,
            work_directory(options),
            options.csv,
            decode=decode,
            options=pipeline_arguments(options),
        )
    from keras_nonlocal.data import scan_videos

    progress = _Progress(len(paths))
    return scan_videos(
        paths,
        options.csv,
        decode=decode,
        num_threads=options.threads,
        progress=progress.update if sys.stderr.isatty() else None,
    )


class _Progress:
    """A line on the terminal that counts."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._num_done = 0
        self._num_broken = 0
        self._begin = time.monotonic()

    def update(self, fact: "VideoFacts") -> None:
        self._num_done += 1
        self._num_broken += bool(fact.error)
        seconds = time.monotonic() - self._begin
        left = seconds / self._num_done * (self._total - self._num_done)
        end = "\n" if self._num_done == self._total else ""
        print(
            f"\r{self._num_done}/{self._total} videos, {self._num_broken} broken, "
            f"{left:.0f} s left \033[K",
            end=end,
            file=sys.stderr,
            flush=True,
        )


def _print(facts: "Sequence[VideoFacts]", broken: "Sequence[VideoFacts]") -> None:
    from keras_nonlocal.files import printable

    read = [fact for fact in facts if not fact.error]
    noun = "video" if len(facts) == 1 else "videos"
    print(f"{len(facts)} {noun}, {len(broken)} of them broken")
    for fact in broken:
        print(f"  {printable(fact.path)}: {fact.error}")
    if read:
        codecs = sorted({fact.codec for fact in read})
        sides = [min(fact.height, fact.width) for fact in read]
        durations = [fact.duration for fact in read]
        print(f"codecs: {', '.join(codecs)}")
        print(f"shorter sides: {min(sides)} to {max(sides)} pixels")
        print(f"durations: {min(durations):.1f} to {max(durations):.1f} s")
