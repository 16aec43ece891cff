"""The quickstart, as short as it can be."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.py"


def run(*arguments):
    return subprocess.run(
        [sys.executable, QUICKSTART, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(QUICKSTART.parents[1])},
        check=False,
    )


@pytest.mark.slow
def test_from_video_files_to_a_served_model(tmp_path):
    finished = run(
        *("--output", tmp_path, "--videos-per-class", 6, "--epochs", 1),
        *("--width", 4, "--crop-size", 32, "--num-frames", 4, "--num-clips", 2),
    )
    assert finished.returncode == 0, finished.stderr
    accuracies = re.findall(r"width 4 +\| (\d\.\d{3}) \|", finished.stdout)
    assert len(accuracies) == 2
    assert all(0 <= float(accuracy) <= 1 for accuracy in accuracies)
    assert finished.stdout.count("largest difference from the trained model") == 2
    for name in ("learning_curves.png", "confusion_matrix.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "saved_model" / "1" / "saved_model.pb").is_file()
    with np.load(tmp_path / "scored_clips.npz") as saved:
        assert saved["clips"].shape == (6, 4, 32, 32, 3)
        np.testing.assert_allclose(saved["scores"].sum(axis=-1), 1, rtol=1e-5)
    train = {path.read_bytes() for path in tmp_path.glob("videos/train/*/*.mp4")}
    test = {path.read_bytes() for path in tmp_path.glob("videos/test/*/*.mp4")}
    assert (len(train), len(test)) == (36, 6)
    assert train.isdisjoint(test)


@pytest.mark.slow
def test_missing_data_is_one_sentence(tmp_path):
    finished = run("--data", tmp_path / "nowhere", "--output", tmp_path)
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    assert finished.stderr.splitlines()[-1] == (
        f"quickstart.py: `directory` does not exist. "
        f"Received: directory='{tmp_path / 'nowhere'}'"
    )
