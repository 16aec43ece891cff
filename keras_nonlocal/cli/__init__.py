"""The console command, which parses arguments, calls the package and prints."""

import argparse
import io
import sys
from collections.abc import Sequence

import keras_nonlocal
from keras_nonlocal.cli import (
    convert,
    demo,
    detect,
    embed,
    evaluate,
    evaluate_coco,
    experiments,
    export,
    info,
    predict,
    scan,
    summary,
    train,
    train_coco,
    visualize,
    write_records,
)
from keras_nonlocal.cli.options.errors import in_options
from keras_nonlocal.cli.options.pipelines import keep_pipeline_options
from keras_nonlocal.tensorflow_start import start_quietly

_COMMANDS = (
    train,
    predict,
    evaluate,
    embed,
    train_coco,
    detect,
    evaluate_coco,
    export,
    demo,
    convert,
    scan,
    write_records,
    visualize,
    summary,
    experiments,
    info,
)
_INTERRUPTED = 130
_BACKENDS = ("jax", "tensorflow", "torch")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: The command-line arguments. Defaults to those of the process.

    Returns:
        The exit code: 0 for success; 1 if a comparison or check failed; 2 if the
        arguments, the files or the installed packages do not fit; 130 if the command
        was interrupted.
    """
    _print_any_name()
    options = parsed(arguments)
    start_quietly()
    try:
        return options.run(options)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (ValueError, TypeError, OSError, ImportError) as error:
        if isinstance(error, TypeError) and "Received: " not in str(error):
            raise  # a bug
        renamed = getattr(options, "renamed", None)
        message = in_options(_sentence(error), options.command, renamed)
        print(f"keras-nonlocal: {message}", file=sys.stderr)
        return 2


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Returns the options of a command. Beam's options are in `pipeline_options`."""
    options, others = _parser().parse_known_args(arguments)
    # The parser takes an optional list only before the first option.
    name = getattr(options, "late_list", None)
    end = others.index("--") if "--" in others else len(others)
    if name is not None and not any(each.startswith("-") for each in others[:end]):
        late = [*others[:end], *others[end + 1 :]]
        setattr(options, name, [*getattr(options, name), *late])
        others = []
    keep_pipeline_options(options, others)
    return options


def _sentence(error: Exception) -> str:
    """Returns the message of an error, without the number of one about a file."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.strerror}. Received: {error.filename!r}"
    if isinstance(error, ModuleNotFoundError) and error.name in _BACKENDS:
        return (
            f"Keras's backend must be installed: `pip install {error.name}`, or set "
            "`KERAS_BACKEND` to one that is: tensorflow, jax or torch. "
            f"Received: the backend {error.name!r}"
        )
    return str(error)


def _print_any_name() -> None:
    """Makes the output accept any name.

    Names of files and classes can contain characters that a terminal or pipe cannot
    encode, and bytes that are not UTF-8. Printing them must not end a command after
    hours of computation, so they are printed as escapes.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-nonlocal",
        description="Non-local neural networks.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"keras-nonlocal {keras_nonlocal.__version__}",
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for module in _COMMANDS:
        command = module.add_command(commands)
        # The beginning of an option may be a misspelling of another one.
        command.allow_abbrev = False
        command.set_defaults(run=module.run, command=command)
    return parser
