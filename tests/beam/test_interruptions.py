"""Broken videos, dying workers and killed launchers."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal import beam, data
from keras_nonlocal.data import VideoError
from keras_nonlocal.inference import Views
from tests.beam import readers
from tests.beam.collections import (
    BROKEN,
    IN_PROCESS,
    NAMES,
    PORTABLE,
    REPEATING,
    TWO_PROCESSES,
)
from tests.beam.test_pipelines import record_files
from tests.data.videos import moving_pictures, write_video

pytest.importorskip("apache_beam")
pytestmark = pytest.mark.slow

VIEWS = Views(num_clips=2, num_crops=1, frame_stride=2)


def failed_names(file: Path) -> list[str]:
    lines = file.read_text().splitlines()
    return sorted(Path(json.loads(line)["path"]).name for line in lines)


def test_broken_videos_are_listed_and_tried_again(videos, model, tmp_path):
    opened = tmp_path / "opened"
    opened.mkdir()
    arguments = {"open_video": partial(readers.noting, str(opened))}
    first = beam.evaluate_videos(model, videos, tmp_path / "work", VIEWS, **arguments)
    assert failed_names(tmp_path / "work" / "failures.jsonl") == sorted(BROKEN)
    assert sorted(Path(path).name for path in first.failures) == sorted(BROKEN)
    repaired = next(path for path in videos.paths if path.endswith("empty.mp4"))
    write_video(repaired, moving_pictures(9, 32, 40))
    for file in opened.iterdir():
        file.unlink()
    second = beam.evaluate_videos(model, videos, tmp_path / "work", VIEWS, **arguments)
    assert {*second.paths} == {*first.paths, repaired}
    assert failed_names(tmp_path / "work" / "failures.jsonl") == sorted(BROKEN[::2])
    # `noting` notes a path also if it does not open.
    tried = {path.name.rsplit("-", 2)[0] for path in opened.iterdir()}
    assert tried == {*BROKEN}
    kept = [index for index, path in enumerate(second.paths) if path in first.paths]
    np.testing.assert_array_equal(second.scores[kept], first.scores)


@pytest.mark.parametrize(
    "options",
    [
        IN_PROCESS,
        REPEATING,
        PORTABLE,
        pytest.param(TWO_PROCESSES, marks=pytest.mark.thorough),
    ],
)
def test_too_many_broken_videos_raise_and_the_next_call_continues(
    options, videos, tmp_path
):
    message = "max_errors=2 videos were left out"
    with pytest.raises(VideoError, match=message):
        beam.write_video_records(
            videos, tmp_path / "own", max_errors=2, options=options
        )
    assert failed_names(tmp_path / "own" / "failures.jsonl") == sorted(BROKEN)
    records = beam.write_video_records(
        videos, tmp_path / "own", max_errors=3, options=options
    )
    assert len(records.paths) == len(NAMES)


def test_an_error_may_raise_at_once(videos, tmp_path):
    with pytest.raises(VideoError, match="Cannot read the video"):
        beam.write_video_records(videos, tmp_path / "own", on_error="raise")


@pytest.mark.parametrize("options", [REPEATING, TWO_PROCESSES, PORTABLE])
def test_a_step_that_raises_once_leaves_no_gap_and_no_double(options, videos, tmp_path):
    reader = partial(readers.dying, str(tmp_path / "mark"), "raise")

    def write():
        return beam.write_video_records(
            videos, tmp_path / "own", open_video=reader, options=options
        )

    if options is REPEATING:
        # This runner tries again by itself, as those of clusters do.
        records = write()
    else:
        with pytest.raises(RuntimeError, match="the first worker dies"):
            write()
        records = write()
    assert (tmp_path / "mark").exists()
    data.write_video_records(videos, tmp_path / "other", on_error="skip", verbose=False)
    assert record_files(tmp_path / "own") == record_files(tmp_path / "other")
    assert len({*records.paths}) == len(records.paths) == len(NAMES)


LAUNCHER = """
import pickle, sys
from functools import partial
import keras
from keras_nonlocal import beam
from keras_nonlocal.beam import work_folder
from keras_nonlocal.inference import Views
from tests.beam import readers
if __name__ == "__main__":
    work_folder.CHUNK_SIZE = 4
    videos, views, options, work, opened = pickle.loads(bytes.fromhex(sys.argv[1]))
    result = beam.evaluate_videos(
        keras.saving.load_model(work + ".keras"), videos, work, views,
        results_file=work + ".jsonl", options=options,
        open_video=partial(readers.dying_later, opened),
    )
"""


def test_a_dead_worker_and_a_killed_launcher(videos, model, tmp_path):
    """A process of a worker dies, its runner waits for it, and is killed."""
    work, opened = tmp_path / "work", tmp_path / "opened"
    opened.mkdir()
    model.save(f"{work}.keras")
    program = tmp_path / "launcher.py"
    program.write_text(LAUNCHER)
    given = pickle.dumps((videos, VIEWS, TWO_PROCESSES, str(work), str(opened)))
    root = str(Path(keras_nonlocal.__file__).parent.parent)
    command = [sys.executable, str(program), given.hex()]
    environment = os.environ | {"PYTHONPATH": root}
    launcher = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 120
        while not (opened / "died").exists():
            assert time.monotonic() < end
            assert launcher.poll() is None
            time.sleep(0.1)
    finally:
        launcher.send_signal(signal.SIGKILL)
        launcher.wait()
    finished = {path.stem for path in work.glob("outcomes/*/*.json")}
    parts = [json.loads(s) for p in work.glob("parts/*") for s in p.open()]
    finished |= {str(index) for index, outcome in parts if "scores" in outcome}
    known = [videos.paths[int(index)] for index in finished]
    for file in opened.glob("*-*"):
        file.unlink()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    lines = map(json.loads, Path(f"{work}.jsonl").read_text().splitlines()[1:])
    scores = [(line["path"], line["scores"]) for line in lines if "scores" in line]
    scored = [path for path, _ in scores]
    assert sorted(scored) == sorted(p for p in videos.paths if p.endswith(NAMES))
    again = {path.name.rsplit("-", 2)[0] for path in opened.iterdir()} - {"died"}
    assert again.isdisjoint(Path(path).name for path in known)
    other = keras_nonlocal.evaluate_videos(
        model, videos, 2, 1, frame_stride=2, verbose=0
    )
    assert list(other.paths) == scored
    np.testing.assert_allclose([row for _, row in scores], other.scores, atol=1e-6)
