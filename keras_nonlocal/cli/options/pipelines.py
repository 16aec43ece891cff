"""The options for Apache Beam pipelines on clusters."""

import argparse
import re
from collections.abc import Sequence

# Options of Beam have underscores, and those of this package have hyphens.
_BEAM_OPTION = re.compile(r"--[A-Za-z]\w*(=.*)?", re.DOTALL)


def add_pipeline_options(
    command: argparse.ArgumentParser, with_directory: bool = True
) -> None:
    """Adds `--runner` and, for commands without a directory, `--work-directory`."""
    group = command.add_argument_group(
        "clusters",
        "with --runner, all further options are those of Apache Beam, written as "
        "--name=value, such as --region=europe-west4",
    )
    group.add_argument(
        "--runner",
        metavar="RUNNER",
        help="runner of an Apache Beam pipeline, such as DataflowRunner, FlinkRunner, "
        "SparkRunner or DirectRunner (default: no pipeline, but this process)",
    )
    if with_directory:
        group.add_argument(
            "--work-directory",
            metavar="DIR",
            help="directory that all workers of the runner can read and write, such as "
            "gs://bucket/run; the same command continues from what is there",
        )


def keep_pipeline_options(options: argparse.Namespace, others: Sequence[str]) -> None:
    """Keeps the options that the command does not know, if they are Beam's.

    Exits with an error if the command takes none, or one is not written as
    `--name=value` or `--name`.

    Args:
        options: The options that the command knows. They get `pipeline_options`.
        others: The other arguments.
    """
    takes_some = getattr(options, "runner", None) is not None
    unknown = [
        each for each in others if not takes_some or not _BEAM_OPTION.fullmatch(each)
    ]
    if unknown:
        command = options.command
        message = f"{command.prog}: error: unrecognized arguments: {' '.join(unknown)}"
        command.exit(2, f"{message}\n`{command.prog} --help` lists the options\n")
    options.pipeline_options = [*others]


def pipeline_arguments(options: argparse.Namespace) -> list[str]:
    """Returns the arguments of the pipeline, for `--runner`."""
    return [f"--runner={options.runner}", *options.pipeline_options]


def work_directory(options: argparse.Namespace) -> str:
    """Returns the directory of the pipeline.

    Raises:
        ValueError: If the user gave none.
    """
    if options.work_directory is None:
        raise ValueError(
            "`work_directory` must be given with `runner`. "
            f"Received: runner={options.runner}"
        )
    directory: str = options.work_directory
    return directory


def check_no_work_directory(options: argparse.Namespace) -> None:
    """Checks that the directory is not given in vain.

    Raises:
        ValueError: If there is no runner.
    """
    if options.work_directory is not None:
        raise ValueError(
            "`work_directory` needs `runner`. "
            f"Received: work_directory={options.work_directory}"
        )
