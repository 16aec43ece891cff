"""A shallow network in the place of the one of 50 layers.

Tests of what surrounds a network spend most of their time on building its graph.

    python -m tests.shallow keras_nonlocal train …
    python -m tests.shallow examples/fine_tune.py …
"""

import contextlib
import runpy
import sys
from pathlib import Path
from unittest import mock

from keras_nonlocal.architectures import tables

DEPTH = 50
ROW = tables.DepthRow(
    blocks=(1, 2, 2, 1),
    inflated={"res2": (0,), "res3": (0,), "res4": (0,), "res5": (0,)},
    placements={
        0: {},
        1: {"res4": (0,)},
        5: {"res3": (1,), "res4": (0, 1)},
        10: {"res3": (0, 1), "res4": (0, 1)},
    },
)


def use_shallow_networks():
    """Concerns this process to its end."""
    tables.DEPTHS[DEPTH] = ROW


@contextlib.contextmanager
def shallow_row():
    """In this context, networks of 50 layers have few."""
    with mock.patch.dict(tables.DEPTHS, {DEPTH: ROW}):
        yield


if __name__ == "__main__":
    use_shallow_networks()
    del sys.argv[0]
    if sys.argv[0].endswith(".py"):
        sys.path.insert(0, str(Path(sys.argv[0]).parent))
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
