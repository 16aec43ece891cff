"""`keras-nonlocal scan`: which videos of a collection cannot be read."""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from keras_nonlocal.cli.json_output import print_json

if TYPE_CHECKING:
    from keras_nonlocal.data import VideoFacts

_TABLE = "video_scan.csv"


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "scan",
        help="which videos of a collection cannot be read",
        description="Decodes all frames of every video, several at a time, and writes "
        "a CSV with a line for each: frames, seconds, size, codec and what is wrong.",
        epilog="exit codes: 0; 1 if there are broken videos; 2 for a user's error. "
        "example: keras-nonlocal scan videos --csv videos.csv",
    )
    command.add_argument(
        "paths",
        nargs="+",
        metavar="DIR",
        help="a directory, whose videos are found at any depth, or a video",
    )
    command.add_argument(
        "--csv", default=_TABLE, metavar="FILE", help="(default: %(default)s)"
    )
    command.add_argument(
        "--packets-only",
        action="store_true",
        help="do not decode: many times as fast, but finds incomplete files only",
    )
    command.add_argument(
        "--threads",
        type=int,
        metavar="NUMBER",
        help="videos at a time (default: the number of processor cores)",
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    return command


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    from keras_nonlocal.data import scan_videos

    paths = [*_videos(options.paths)]
    progress = _Progress(len(paths))
    facts = scan_videos(
        paths,
        options.csv,
        decode=not options.packets_only,
        num_threads=options.threads,
        progress=progress.update if sys.stderr.isatty() else None,
    )
    broken = [fact for fact in facts if fact.error]
    if options.json:
        counts = {"num_videos": len(facts), "num_broken": len(broken)}
        videos = {"videos": [asdict(fact) for fact in facts]}
        print_json(counts | {"csv": options.csv} | videos)
    else:
        _print(facts, broken)
        print(f"written to {options.csv}")
    return 1 if broken else 0


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


def _videos(paths: Sequence[str]) -> Iterator[str]:
    from keras_nonlocal.data import list_directory

    for path in paths:
        if os.path.isfile(path):
            yield path
        else:
            yield from list_directory(path, labels=None).paths


def _print(facts: "Sequence[VideoFacts]", broken: "Sequence[VideoFacts]") -> None:
    from keras_nonlocal.data.files import printable

    read = [fact for fact in facts if not fact.error]
    print(f"{len(facts)} videos, {len(broken)} of them broken")
    for fact in broken:
        print(f"  {printable(fact.path)}: {fact.error}")
    if read:
        codecs = sorted({fact.codec for fact in read})
        sides = [min(fact.height, fact.width) for fact in read]
        durations = [fact.duration for fact in read]
        print(f"codecs: {', '.join(codecs)}")
        print(f"shorter sides: {min(sides)} to {max(sides)} pixels")
        print(f"durations: {min(durations):.1f} to {max(durations):.1f} s")
