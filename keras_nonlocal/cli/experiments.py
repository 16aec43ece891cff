"""`keras-nonlocal experiments`: the paper's tables by one command."""

import argparse
import sys
from pathlib import Path
from typing import Any

from keras_nonlocal.cli.json_output import print_json
from keras_nonlocal.cli.options.converters import text_or_none
from keras_nonlocal.cli.options.fields import add_field, given_fields

_INTERRUPTED = 130


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the subparsers and returns its parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "experiments",
        help="train and compare the networks of the paper's tables at small scale",
        description="Trains the networks of the paper's tables on small clips of "
        "handwritten digits, and writes a page with tables, statistics and figures. "
        "If it is killed, the same command resumes it. Several processes and machines "
        "may share a folder.",
        epilog="example: keras-nonlocal experiments --tables a d --seeds 3",
    )
    command.add_argument(
        "--tables",
        nargs="+",
        metavar="TABLE",
        help="a to g, charades, attention and figure4, or sequences, images and "
        "appliances, which are not in the paper (default: all)",
    )
    command.add_argument(
        "--quick",
        action="store_true",
        help="short runs of some tables with 2 seeds, to see the command at work",
    )
    command.add_argument(
        "--seeds",
        type=int,
        metavar="NUMBER",
        help="training runs of each row (default: 5 for a, c, d, f and figure4, or 3)",
    )
    command.add_argument(
        "--workers",
        type=int,
        metavar="NUMBER",
        help="processes, of one core each (default: the number of cores)",
    )
    command.add_argument(
        "--steps",
        type=int,
        metavar="NUMBER",
        help="training steps of each run (default: 240)",
    )
    command.add_argument(
        "--still-steps",
        type=int,
        metavar="NUMBER",
        help="training steps of the image networks (default: 200)",
    )
    command.add_argument(
        "--test-clips",
        type=int,
        metavar="NUMBER",
        help="clips in the test of each run (default: 1020)",
    )
    command.add_argument(
        "--large", action="store_true", help="also train the rows with R101"
    )
    command.add_argument(
        "--folder",
        default="experiments",
        metavar="DIR",
        help="folder of runs and results (default: %(default)s)",
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    _add_full_size_options(command)
    return command


def _add_full_size_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group(
        "full size, with the networks and clips of the paper (one seed by default)"
    )
    group.add_argument(
        "--data",
        metavar="VIDEOS",
        help="training videos, such as Kinetics: a directory or a list, as in `train`",
    )
    group.add_argument(
        "--recipe",
        choices=("paper",),
        help="the paper's number of updates, learning rates and clips",
    )
    fields: tuple[tuple[str, str, str | None], ...] = (
        ("validation", "videos for validation after each epoch", "VIDEOS"),
        ("test", "videos for the test, which is required with --data", "VIDEOS"),
        ("list_format", "as in `train`", None),
        ("root", "folder to which the paths in a list are relative", "DIR"),
        ("weights", "as in `train`", None),
        ("width", "as in `train`", "CHANNELS"),
        ("crop_size", "as in `train`", "PIXELS"),
        ("batch_size", "clips per update, to which the rate is scaled", "CLIPS"),
        ("updates", "length of each run", "NUMBER"),
        ("precise_statistics", "as in `train`", "BATCHES"),
        ("strategy", "mirrored for all GPUs", None),
        ("precision", "", None),
        ("num_clips", "clips per test video", "NUMBER"),
        ("num_crops", "crops per clip", "NUMBER"),
    )
    for name, help_text, metavar in fields:
        shown: dict[str, Any] = {} if metavar is None else {"metavar": metavar}
        if name == "weights":
            shown["type"] = text_or_none
        if name == "crop_size":
            shown["type"] = int
        add_field(group, name, help_text, **shown)


def run(options: argparse.Namespace) -> int:
    """Runs the command; see `keras_nonlocal.cli.main` for the exit code."""
    given = given_fields(options)
    # Those that train several runs here, not those that decode for one.
    del given["workers"]
    try:
        return _run(options, given)
    except KeyboardInterrupt:
        print(
            "\nkeras-nonlocal: interrupted; the same command resumes", file=sys.stderr
        )
        return _INTERRUPTED


def _run(options: argparse.Namespace, given: dict[str, Any]) -> int:
    if options.data is not None:
        return _run_at_full_size(options, given)
    if given or options.recipe is not None:
        name = next(iter(given), "recipe")
        raise ValueError(
            f"`{name}` must be given together with `--data`. "
            f"Received: {name}={getattr(options, name)!r}"
        )
    from keras_nonlocal.experiments import run_experiments

    results = run_experiments(
        **_arguments(options),
        command=_command(),
        announce=None if options.json else _print_line,
    )
    if options.json:
        print_json([result.to_dict() for result in results.tables])
        return 0
    print(f"\nwritten to {results.page}")
    return 0


def _arguments(options: argparse.Namespace) -> dict[str, Any]:
    import dataclasses

    from keras_nonlocal.arguments import check_positive_integer
    from keras_nonlocal.experiments import SmallRecipe
    from keras_nonlocal.experiments.running import (
        QUICK_RECIPE,
        QUICK_SEEDS,
        QUICK_TABLES,
    )

    recipe = QUICK_RECIPE if options.quick else SmallRecipe()
    for name in ("steps", "still_steps", "test_clips"):
        value = getattr(options, name)
        if value is not None:
            check_positive_integer(name, value)
            recipe = dataclasses.replace(recipe, **{name: value})
    chosen = options.tables
    seeds = options.seeds
    if options.quick:
        chosen = chosen or QUICK_TABLES
        seeds = QUICK_SEEDS if seeds is None else seeds
    return {
        "tables": chosen,
        "folder": options.folder,
        "seeds": seeds,
        "workers": options.workers,
        "recipe": recipe,
        "includes_large": options.large,
    }


def _run_at_full_size(options: argparse.Namespace, given: dict[str, Any]) -> int:
    small = {"quick": False, "workers": None, "steps": None}
    small |= {"still_steps": None, "test_clips": None, "json": False}
    for name, default in small.items():
        if getattr(options, name) != default:
            raise ValueError(
                f"`{name}` must not be given together with `--data`. "
                f"Received: {name}={getattr(options, name)!r}"
            )
    from keras_nonlocal.experiments.full_runs import PAGE, run_full_experiments
    from keras_nonlocal.experiments.tables import PAPER_TABLES
    from keras_nonlocal.runs import TrainingSettings, paper_recipe

    settings = TrainingSettings()
    if options.recipe == "paper":
        settings = paper_recipe(settings)
    # As in the paper.
    settings = settings.replace(precision="float32")
    settings = settings.replace(videos=options.data, **given)
    data = "charades" if settings.data.list_format == "charades" else "kinetics"
    # Those without training curves and measurements of their own.
    of_data = [
        name
        for name, table in PAPER_TABLES.items()
        if table.data == data and any(row.paper is not None for row in table.rows)
    ]
    run_full_experiments(
        settings,
        options.tables or of_data,
        folder=options.folder,
        seeds=1 if options.seeds is None else options.seeds,
        includes_large=options.large,
        command=_command(),
        announce=_print_line,
    )
    print(f"\nwritten to {Path(options.folder, PAGE)}")
    return 0


def _print_line(line: str) -> None:
    print(line, flush=True)


def _command() -> str:
    return " ".join(["keras-nonlocal", *sys.argv[1:]])
