"""Every example runs as it stands, on less data than by default."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, *arguments):
    finished = subprocess.run(
        [sys.executable, "-m", "tests.shallow", EXAMPLES / name, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=EXAMPLES.parent,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent)},
        check=False,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_fine_tune(tmp_path):
    printed = run(
        *("fine_tune.py", "--output", tmp_path, "--epochs", 1, "--first-epochs", 1),
        *("--videos-per-class", 4, "--first-videos-per-class", 4),
    )
    assert re.search(r"^\d+ layers up to res2 are frozen$", printed, re.MULTILINE)
    assert "Top-1 on 24 unseen videos of new classes, after 1 epochs" in printed
    rows = re.findall(r"^\| ([\w -]+) \| [01]\.\d{3} \|$", printed, re.MULTILINE)
    assert rows == ["from scratch", "fine-tuned"]
    assert (tmp_path / "fine_tuned.keras").stat().st_size > 100_000


@pytest.mark.thorough
def test_long_clips(tmp_path):
    printed = run(
        *("long_clips.py", "--output", tmp_path, "--epochs", 1),
        *("--short-epochs", 1, "--videos-per-class", 2),
    )
    row = r"^\| ([\w ]+) \| \d+\.\d{3} \| [01]\.\d{3} \|$"
    rows = re.findall(row, printed, re.MULTILINE)
    assert rows == ["before training on clips of 32 frames", "after it"]
    assert (tmp_path / "long_clips.keras").stat().st_size > 100_000


@pytest.mark.thorough
def test_several_labels(tmp_path):
    printed = run(
        "several_labels.py", "--output", tmp_path, "--epochs", 1, "--videos", 20
    )
    assert len(re.findall(r"^\| 1 \| [01]\.\d{3} \|$", printed, re.MULTILINE)) == 1
    assert re.search(r"^4 videos: mAP [01]\.\d{4}$", printed, re.MULTILINE)


@pytest.mark.thorough
def test_detection(tmp_path):
    printed = run(
        *("detection.py", "--output", tmp_path, "--pictures", 16, "--steps", 4),
        *("--test-pictures", 6, "--width", 4, "--blocks", 1),
    )
    rows = re.findall(r"^\| (Mask R-CNN.*?) \|(?: [01]\.\d{3} \|){4} ", printed, re.M)
    assert rows == ["Mask R-CNN + NL"]
    differences = re.findall(r"that differ by at most (\S+)\.$", printed, re.MULTILINE)
    assert len(differences) == 2
    assert max(map(float, differences)) < 1e-5
    assert (tmp_path / "found.png").stat().st_size > 10_000


@pytest.mark.thorough
def test_own_network():
    printed = run("own_network.py", "--samples", 100, "--epochs", 1)
    rows = re.findall(r"^\| (signal|image) \| (\w+) \| [01]\.\d{3} \|$", printed, re.M)
    assert rows == [
        (kind, block)
        for kind in ("signal", "image")
        for block in ("none", "embedded_gaussian")
    ]


@pytest.mark.thorough
def test_workers_end_in_the_same_weights(tmp_path):
    printed = run(
        *("multi_worker.py", "--output", tmp_path, "--epochs", 1),
        *("--videos-per-class", 3),
    )
    # Both write to one pipe: a line may begin in the middle of the other's.
    ends = re.findall(r"worker (\d) of 2: (loss .*)$", printed, re.MULTILINE)
    assert sorted(index for index, _ in ends) == ["0", "1"]
    assert ends[0][1] == ends[1][1]
    assert (tmp_path / "model.keras").stat().st_size > 100_000


@pytest.mark.thorough
def test_poses(tmp_path):
    printed = run(
        *("poses.py", "--output", tmp_path, "--blocks", 1, "--steps", 4),
        *("--pictures", 16, "--test-pictures", 6, "--width", 8),
    )
    row = r"^\| \+ 1 block \| ([01]\.\d{3} \| ){4}\d+ s \|$"
    assert re.search(row, printed, re.MULTILINE)
    assert (tmp_path / "found.png").stat().st_size > 10_000
    assert (tmp_path / "poses.keras").stat().st_size > 100_000


def test_exported_files(tmp_path):
    pytest.importorskip("nncf")
    printed = run(
        *("exported_files.py", "--output", tmp_path, "--epochs", 1, "--videos", 4),
        *("--test-videos", 2, "--width", 4, "--calibration-clips", 16),
    )
    row = r"^\| ([\w./]+) \| float32 \| [01]\.\d{3} \| (\d+)\.\d% \| (\S+) \|"
    rows = re.findall(row, printed, re.MULTILINE)
    assert [name for name, *_ in rows] == [
        "model.keras",
        "float32/1/model.xml",
        "int8/1/model.xml",
    ]
    assert float(rows[1][2]) < 1e-5
    assert (tmp_path / "int8" / "1" / "model.bin").stat().st_size > 10_000
