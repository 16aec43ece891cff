"""The options for the sizes of pictures."""

import argparse


def add_side_options(command: argparse.ArgumentParser) -> None:
    """Adds `--short-side` and `--long-side`, which default to those of the model."""
    command.add_argument(
        "--short-side",
        type=int,
        metavar="PIXELS",
        help="to which the shorter side is scaled (default: that of the training)",
    )
    command.add_argument(
        "--long-side",
        type=int,
        metavar="PIXELS",
        help="greatest length of the longer side (default: that of the training)",
    )
