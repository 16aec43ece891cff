"""Imports without garbage collections."""

import gc
import subprocess
import sys

import pytest

from keras_nonlocal.tensorflow_start import uncollected_import

PROGRAM = """
import gc, weakref
from keras_nonlocal.tensorflow_start import start_quietly

class Cycle:
    def __init__(self):
        self.itself = self

start_quietly()
start_quietly()
{before}
kept = Cycle()
cycles = [weakref.ref(kept), weakref.ref(Cycle())]
collections = []
gc.callbacks.append(lambda phase, info: collections.append(phase))
import {package}
# One may begin before the import does. Without the pause, there are hundreds.
print(len(collections) <= 4, gc.isenabled(), gc.get_threshold() == {thresholds})
del kept
gc.collect()
print([cycle() for cycle in cycles])
"""


@pytest.mark.parametrize(
    ("package", "before", "is_enabled", "thresholds"),
    [
        ("keras", "gc.set_threshold(900, 7, 5)", True, (900, 7, 5)),
        ("tensorflow", "", True, gc.get_threshold()),
        ("keras", "gc.disable()", False, gc.get_threshold()),
    ],
)
def test_collections_pause(package, before, is_enabled, thresholds):
    program = PROGRAM.format(package=package, before=before, thresholds=thresholds)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # What the program had before can be freed after it.
    assert done.stdout.splitlines() == [f"True {is_enabled} True", "[None, None]"]


def test_a_failed_import_ends_the_pause():
    thresholds, within = gc.get_threshold(), []

    def fail():
        with uncollected_import._without_collections():
            within.append(gc.get_threshold()[0])
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert (within, gc.get_threshold()) == ([0], thresholds)


def test_what_a_program_sets_in_the_meantime_counts():
    thresholds = gc.get_threshold()
    try:
        with uncollected_import._without_collections():
            gc.set_threshold(800)
        assert gc.get_threshold()[0] == 800
    finally:
        gc.set_threshold(*thresholds)
