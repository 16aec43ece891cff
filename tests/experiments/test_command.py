"""The whole command in miniature, killed and resumed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keras_nonlocal.cli import main
from keras_nonlocal.experiments.tables import CURVES
from keras_nonlocal.files import InUseError, lock

OPTIONS = (
    "--tables figure4 --seeds 2 --steps 4 --still-steps 2 --test-clips 12 --workers 2"
)


def start(folder):
    """Starts the command in a process of its own."""
    words = ["experiments", *OPTIONS.split(), "--folder", str(folder)]
    return subprocess.Popen(
        [sys.executable, "-m", "keras_nonlocal", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(folder):
    """The files of finished runs, and when they were written."""
    runs = folder / "runs"
    return {path: path.stat().st_mtime_ns for path in sorted(runs.glob("*.json"))}


def wait_until(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_free(path):
    try:
        with lock(path):
            return True
    except InUseError:
        return False


@pytest.mark.slow
def test_command_resumes_after_a_kill_and_writes_the_page(tmp_path):
    folder = tmp_path / "results"
    process = start(folder)
    wait_until(lambda: finished(folder) or process.poll() is not None)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    # The workers end with their parent, whose death frees all runs.
    wait_until(
        lambda: all(
            is_free(path.with_name(path.name[1:].removesuffix(".lock")))
            for path in (folder / "runs").glob(".*.lock")
        ),
        60,
    )
    before = finished(folder)
    assert 1 <= len(before) < 4

    process = start(folder)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    left = 4 - len(before)
    assert f"4 runs of 2 networks, {left} to train with 2 workers" in output
    assert "4 of 4 runs" in output
    after = finished(folder)
    assert len(after) == 4
    assert {path: after[path] for path in before} == before

    results = json.loads((folder / "results.json").read_text())
    (table,) = results["tables"]
    assert [row["name"] for row in table["rows"]] == [r.name for r in CURVES.rows]
    for row in table["rows"]:
        assert [*row["scores"]] == ["101", "102"]
        assert row["mean"] == pytest.approx(sum(row["scores"].values()) / 2)
    page = (folder / "RESULTS.md").read_text()
    # The first paragraph says what was not reproduced.
    assert "do not reproduce the paper's numbers" in page.split("\n\n")[1]
    assert "| C2D |" in page
    assert OPTIONS in page
    image = (folder / "figure4.png").read_bytes()
    assert image.startswith(b"\x89PNG")

    # All runs are finished: nothing is trained, whatever the number of workers.
    again = start(folder)
    output, _ = again.communicate(timeout=300)
    assert "0 to train" in output
    assert finished(folder) == after


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--tables a h", "`--tables` must be one of .*Received: --tables='h'"),
        ("--seeds 0", "`--seeds` must be .*--seeds=0"),
        ("--quick --seeds 0", "`--seeds` must be .*--seeds=0"),
        ("--data v --test t --seeds 0", "`--seeds` must be .*--seeds=0"),
        ("--workers -1", "`--workers` must be .*--workers=-1"),
        ("--steps 0", "`--steps` must be .*--steps=0"),
        ("--test videos", "`--test` must be given together with `--data`"),
        ("--recipe paper", "`--recipe` must be given together with `--data`"),
        ("--data videos", "`--test` must be given for tables at full size"),
        ("--data videos --quick", "`--quick` must not be given together with `--data`"),
        ("--data v --test t --tables a charades", "`--tables` must be of one data set"),
    ],
)
def test_errors_come_first(tmp_path, capsys, options, message):
    folder = Path(tmp_path, "never")
    assert main(["experiments", *options.split(), "--folder", str(folder)]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert not folder.exists()


@pytest.mark.parametrize(
    ("package", "table"),
    [
        ("sklearn", "a"),
        ("matplotlib", "a"),
        ("sklearn", "images"),
        ("sktime", "sequences"),
        ("sktime", "appliances"),
    ],
)
def test_missing_packages_are_named_before_any_work(
    monkeypatch, tmp_path, package, table
):
    from keras_nonlocal.experiments import run_experiments

    for name in [*sys.modules]:
        if name.partition(".")[0] == package:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"is needed for .* `pip install"):
        run_experiments([table], folder=tmp_path / "never")
    assert not (tmp_path / "never").exists()
