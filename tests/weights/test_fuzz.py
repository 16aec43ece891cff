"""The fuzzer finds faults, and the readers have none on a few files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="limits need a POSIX system")
ROOT = Path(__file__).parents[2]

# Readers that break each promise once, and keep it at last.
READERS = """
import itertools, json, os, sys
from keras_nonlocal.weights import CheckpointError
from tests.weights import limits

limits.CPU_SECONDS = 1

def too_much(path):
    return bytearray(200_000_000)

def too_much_unnoticed(path):
    try:
        too_much(path)
    except MemoryError as error:
        raise CheckpointError(path, "damaged") from error

def without_end(path):
    while True:
        pass

def crash(path):
    os.abort()

def other_error(path):
    raise KeyError("x")

def refusal(path):
    raise CheckpointError(path, "no")

readers = [
    too_much, too_much_unnoticed, without_end, crash, other_error, refusal, len
]
number = 0

def make_case(n):
    global number
    number = n
    return readers[n].__name__, sys.argv[1]

found = limits.outcomes(make_case, lambda path: readers[number](path))
for _, name, result in itertools.islice(found, len(readers)):
    print(json.dumps([name, result]))
"""


@pytest.mark.slow
def test_every_kind_of_fault_is_found(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    output = subprocess.run(
        [sys.executable, "-c", READERS, str(path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    results = dict(map(json.loads, output.splitlines()))
    assert results.pop("too_much").endswith("bytes or more, 100663316 are promised")
    assert results.pop("too_much_unnoticed").endswith("are promised")
    assert results == {
        "without_end": "killed the process by SIGXCPU, after 1 s",
        "crash": "killed the process by SIGABRT",
        "other_error": "raised KeyError: 'x'",
        "refusal": "refused",
        "len": "read",
    }


@pytest.mark.slow
def test_a_few_files(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.weights.fuzz", "--seconds", "10"),
            *("--kept", str(tmp_path)),
        ],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for reader in ("hdf5", "keras", "npz", "pickle", "torch"):
        assert f"{reader}: " in done.stdout
    assert done.stdout.splitlines()[-1].endswith(" 0 faults")


BOMBS = """
import io, itertools, json, sys, zipfile
from keras_nonlocal.weights import read_checkpoint
from tests.weights import limits

def make_case(n):
    # Compressed, it is 1000 times smaller.
    name = ["w.npy", "a/data.pkl", "model.weights.h5"][n % 3]
    with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(20_000_000 + 5_000_000 * (n // 3)))
    return name, sys.argv[1]

found = limits.outcomes(make_case, read_checkpoint)
for _, name, result in itertools.islice(found, 36):
    print(json.dumps([name, result]))
"""


@pytest.mark.slow
def test_entries_are_unpacked_within_the_limits(tmp_path):
    output = subprocess.run(
        [sys.executable, "-c", BOMBS, str(tmp_path / "file")],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "numpy"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    results = [*map(json.loads, output.splitlines())]
    assert len(results) == 36
    assert {result for _, result in results} == {"refused"}
