"""Trains a network for a command, and reports the result."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from keras_nonlocal.cli.json_output import print_json
from keras_nonlocal.cli.options.errors import in_options
from keras_nonlocal.runs.folder import RunFolder
from keras_nonlocal.runs.grouped_settings import CONFIG_FILE

_USER_ERROR = 2
_WORKER_LOST = 3
_INTERRUPTED = 130


def end_of_run(
    options: argparse.Namespace,
    settings: Any,
    train: Callable[..., Any],
    print_test: Callable[[Any], None],
) -> int:
    """Trains, prints the result and returns the exit code.

    Args:
        options: The options of the command.
        settings: The settings of the run.
        train: `run_training`, or another function with `verbose` and `announce`.
        print_test: Prints the evaluation of a result.
    """
    from keras_nonlocal.training import NonFiniteLossError, WorkerLostError
    from keras_nonlocal.training.workers.failures import (
        end_without_others,
        exit_at_once,
    )

    if settings.run.strategy == "multi-worker":
        _print_cluster(options)
    announce = None
    if not options.json:
        announce = _announcer(settings, options.command)
    try:
        result = train(settings, verbose=_verbose(options), announce=announce)
    except NonFiniteLossError as error:
        message = in_options(str(error), options.command)
        print(f"keras-nonlocal: {message}", file=sys.stderr)
        return 1
    except WorkerLostError as error:
        print(f"keras-nonlocal: {error}", file=sys.stderr)
        exit_at_once(_WORKER_LOST)
    except KeyboardInterrupt:
        print(f"\nkeras-nonlocal: {_interrupted(settings)}", file=sys.stderr)
        end_without_others(_INTERRUPTED)
        return _INTERRUPTED
    except (ValueError, TypeError, OSError, ImportError):
        end_without_others(_USER_ERROR)
        raise
    test = result.evaluation
    if result.is_chief and options.json:
        ended = {"history": result.history, "test": test and test.to_dict()}
        print_json(result.config | ended)
    elif result.is_chief:
        if test is not None:
            print_test(result)
        print(f"\nwritten to {result.model_path}")
    return 1 if test is not None and test.failures else 0


def _announcer(
    settings: Any, command: argparse.ArgumentParser
) -> Callable[[str], None]:
    """Prints the changed settings, then lines in terms of the command's options."""
    defaults = type(settings)().to_dict()
    lines = [
        f"{name}: {value}"
        for title, group in settings.to_dict().items()
        for name, value in group.items()
        if value != defaults[title][name]
    ]
    lines.append(f"all settings: {RunFolder.of(settings).path / CONFIG_FILE}")

    def announce(line: str) -> None:
        # A separate line, even during a progress bar.
        start = "\n" if sys.stdout.isatty() else ""
        print(*lines, f"{start}{in_options(line, command)}", sep="\n", flush=True)
        lines.clear()

    return announce


def _print_cluster(options: argparse.Namespace) -> None:
    """Prints what this worker has found, before it waits for the others."""
    from keras_nonlocal.training.workers.cluster import find_cluster

    cluster = find_cluster()
    line = "cluster: none in TF_CONFIG or Slurm" if cluster is None else str(cluster)
    print(line, file=sys.stderr if options.json else sys.stdout, flush=True)


def _verbose(options: argparse.Namespace) -> int:
    """Returns Keras's value: 0 for silence, 1 for a progress bar, 2 for lines."""
    if options.json:
        return 0
    return 1 if sys.stdout.isatty() else 2


def _interrupted(settings: Any) -> str:
    folder = RunFolder.of(settings)
    if folder.has_state():
        return f"interrupted; the same command resumes the run in {folder.path}"
    return "interrupted before anything was trained; the same command starts again"
