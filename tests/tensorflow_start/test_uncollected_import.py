"""Imports without garbage collections."""

import gc
import subprocess
import sys

import pytest

from keras_nonlocal.tensorflow_start import uncollected_import

PROGRAM = """
import gc, weakref
from keras_nonlocal.tensorflow_start import start_quietly
collected = []
gc.callbacks.append(lambda phase, info: collected.append(phase))
start_quietly()
start_quietly()
{before}
del collected[:]
import {package}
print(len(collected), gc.isenabled(), gc.get_freeze_count() > 100_000)

class Cycle:
    def __init__(self):
        self.itself = self

cycle = weakref.ref(Cycle())
gc.collect()
print(cycle())
"""


@pytest.mark.parametrize(
    ("package", "before", "is_enabled"),
    [("keras", "", True), ("tensorflow", "", True), ("keras", "gc.disable()", False)],
)
def test_collections_pause_and_leave_alone_what_stays(package, before, is_enabled):
    program = PROGRAM.format(package=package, before=before)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"0 {is_enabled} True", "None"]


def test_a_failed_import_ends_the_pause():
    was_enabled = []

    def fail():
        with uncollected_import._without_collections():
            was_enabled.append(gc.isenabled())
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert (was_enabled, gc.isenabled()) == ([False], True)
