"""The quickstart, as short as it can be."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.data.videos import moving_pictures, write_video

pytest.importorskip("tensorflow")
pytestmark = [pytest.mark.slow, pytest.mark.quickstart]
QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.py"


def run(*arguments, through=()):
    return subprocess.run(
        [sys.executable, *through, QUICKSTART, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=QUICKSTART.parents[1],
        env={**os.environ, "PYTHONPATH": str(QUICKSTART.parents[1])},
        check=False,
    )


def test_from_video_files_to_a_served_model(tmp_path):
    finished = run(
        *("--output", tmp_path, "--videos", 36, "--test-videos", 12, "--epochs", 1),
        *("--image-steps", 2, "--width", 4, "--num-frames", 4, "--num-clips", 2),
    )
    assert finished.returncode == 0, finished.stderr
    rows = re.findall(
        r"width 4 +\| (\d\.\d{3}) \|((?: \d\.\d{3} \|){3})", finished.stdout
    )
    assert len(rows) == 2
    for accuracy, by_kind in rows:
        # There are as many videos of each kind.
        kinds = [float(kind) for kind in by_kind.split("|")[:-1]]
        assert float(accuracy) == pytest.approx(sum(kinds) / 3, abs=2e-3)
    assert finished.stdout.count("largest difference from the trained model") == 2
    for name in ("attention.png", "learning_curves.png", "confusion_matrix.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "saved_model" / "1" / "saved_model.pb").is_file()
    with np.load(tmp_path / "scored_clips.npz") as saved:
        assert saved["clips"].shape == (12, 4, 32, 32, 3)
        np.testing.assert_allclose(saved["scores"].sum(axis=-1), 1, rtol=1e-5)
    train = {path.read_bytes() for path in tmp_path.glob("videos/train/*/*.mp4")}
    test = {path.read_bytes() for path in tmp_path.glob("videos/test/*/*.mp4")}
    assert (len(train), len(test)) == (36, 12)
    assert train.isdisjoint(test)


def test_own_videos(tmp_path):
    data = tmp_path / "data"
    for seed in range(2):
        for name in ("still", "moving"):
            (data / name).mkdir(parents=True, exist_ok=True)
            frames = moving_pictures(9, 40, 48, seed=seed)
            write_video(data / name / f"{seed}.mp4", frames)
            write_video(data / name / f"{seed}b.mp4", frames[::-1].copy())
    finished = run(
        *("--data", data, "--output", tmp_path / "out", "--epochs", 1, "--width", 4),
        *("--num-frames", 4, "--batch-size", 4, "--num-clips", 1),
        # The other test has the network as it is.
        through=("-m", "tests.shallow"),
    )
    assert finished.returncode == 0, finished.stderr
    assert "| network                           |   all | parameters" in finished.stdout
    assert "stills" not in finished.stdout
    assert (tmp_path / "out" / "attention.png").is_file()


def test_missing_data_is_one_sentence(tmp_path):
    finished = run("--data", tmp_path / "nowhere", "--output", tmp_path)
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    assert finished.stderr.splitlines()[-1] == (
        f"quickstart.py: `directory` does not exist. "
        f"Received: directory='{tmp_path / 'nowhere'}'"
    )
