"""The console command: parses, calls, prints."""

import argparse
import os
import sys
from collections.abc import Sequence

from keras_nonlocal.cli import (
    convert,
    evaluate,
    export,
    info,
    predict,
    scan,
    summary,
    train,
    visualize,
)

_COMMANDS = (train, predict, evaluate, export, convert, scan, visualize, summary, info)
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: What follows the command. Defaults to that of the process.

    Returns:
        The exit code: 0; 1 where a comparison or a check came out negative; 2 where the
        arguments, the files they name or what is installed do not fit; 130 if it was
        interrupted.
    """
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow leaves its fast convolutions out on many CPUs.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    try:
        return options.run(options)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (ValueError, OSError, ImportError) as error:
        print(f"keras-nonlocal: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-nonlocal", description="Non-local neural networks for video."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for module in _COMMANDS:
        command = module.add_command(commands)
        command.set_defaults(run=module.run)
    return parser
