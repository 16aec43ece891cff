"""Pipelines give the results of the functions for one machine."""

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal import beam, data
from keras_nonlocal.data import VideoList
from keras_nonlocal.files import open_bytes
from keras_nonlocal.inference import Views
from tests.beam import readers
from tests.beam.collections import (
    IN_PROCESS,
    NAMES,
    PORTABLE,
    REPEATING,
    TWO_PROCESSES,
)

pytest.importorskip("apache_beam")
# Each pipeline loads a model, and some start processes.
pytestmark = pytest.mark.slow

RUNNERS = [
    pytest.param(IN_PROCESS, id="in process"),
    pytest.param(REPEATING, id="every bundle three times"),
    pytest.param(PORTABLE, id="portable"),
    pytest.param(TWO_PROCESSES, id="two processes"),
]
VIEWS = Views(num_clips=2, num_crops=3, frame_stride=2)


def record_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.tfrecord")}


@pytest.mark.parametrize("options", RUNNERS)
def test_records_are_the_same_bytes(options, videos, tmp_path):
    own = beam.write_video_records(
        videos, tmp_path / "own", short_side=20, options=options
    )
    other = data.write_video_records(
        videos, tmp_path / "other", short_side=20, on_error="skip", verbose=False
    )
    assert record_files(tmp_path / "own") == record_files(tmp_path / "other")
    assert [Path(p).name for p in own.paths] == [Path(p).name for p in other.paths]
    assert len(own.paths) == len(NAMES)
    assert (own.labels, own.class_names) == (other.labels, other.class_names)


@pytest.mark.parametrize("options", RUNNERS)
def test_facts_are_the_same(options, videos, tmp_path):
    own = beam.scan_videos(
        videos.paths, tmp_path / "scan", tmp_path / "own.csv", options=options
    )
    other = data.scan_videos(videos.paths, tmp_path / "other.csv")
    assert own == other
    table, other_table = (tmp_path / f"{n}.csv" for n in ("own", "other"))
    assert table.read_bytes() == other_table.read_bytes()


@pytest.mark.parametrize("options", RUNNERS)
def test_scores_and_figures_are_the_same(options, videos, model, tmp_path):
    file = tmp_path / "scores.jsonl"
    own = beam.evaluate_videos(
        model, videos, tmp_path / "work", VIEWS, results_file=file, options=options
    )
    other = keras_nonlocal.evaluate_videos(
        model, videos, 2, 3, frame_stride=2, verbose=0
    )
    assert own.paths == other.paths
    assert len({*own.paths}) == len(NAMES)
    assert own.failures == other.failures
    # Batches of other views may round differently.
    np.testing.assert_allclose(own.scores, other.scores, atol=1e-6)
    assert own.to_dict() == replace(other, scores=own.scores).to_dict()
    # One machine takes the file for its own, and has nothing left to score.
    again = keras_nonlocal.evaluate_videos(
        model, videos, 2, 3, frame_stride=2, results_file=file, verbose=0
    )
    np.testing.assert_array_equal(again.scores, own.scores)
    lines = [json.loads(line) for line in file.read_text().splitlines()[1:]]
    # The broken ones were tried once more.
    assert ["error" in line for line in lines].count(True) == 2 * 3


@pytest.mark.parametrize(
    "options",
    [
        RUNNERS[0],
        pytest.param(TWO_PROCESSES, id="two processes", marks=pytest.mark.thorough),
    ],
)
def test_embeddings_are_the_same(options, model, videos, tmp_path):
    network = keras_nonlocal.NLResNet50C2D(
        include_top=False,
        pooling="avg",
        input_shape=(4, 32, 32, 3),
        width=4,
        nonlocal_blocks=1,
    )
    file = tmp_path / "features.npy"
    own = beam.predict_videos(
        network, videos, tmp_path / "w", VIEWS, scores_file=file, options=options
    )
    other = keras_nonlocal.predict_videos(
        network, videos, 2, 3, frame_stride=2, on_error="skip"
    )
    assert own.shape == (10, 128)
    assert np.isnan(own).all(axis=1).sum() == 3
    # NaN where the other is NaN.
    np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(np.load(file), own)
    in_memory = beam.predict_videos(
        network, videos, tmp_path / "w", VIEWS, options=options
    )
    np.testing.assert_array_equal(in_memory, own)


def test_segments_are_scored_each_by_itself(videos, model, tmp_path):
    path = next(path for path in videos.paths if path.endswith("a.mp4"))
    parts = VideoList((path,) * 3, segments=(None, (0.0, 0.1), (0.1, 9.0)))
    own = beam.predict_videos(model, parts, tmp_path / "work", VIEWS)
    other = keras_nonlocal.predict_videos(model, parts, 2, 3, frame_stride=2)
    np.testing.assert_allclose(own, other, atol=1e-6)
    assert not np.array_equal(own[0], own[1])


def test_both_workers_work_and_each_loads_the_model_once(videos, model, tmp_path):
    whole = videos.select([i for i, p in enumerate(videos.paths) if p.endswith(NAMES)])
    many = whole.select([*range(len(whole.paths))] * 3)
    opened, loaded = tmp_path / "opened", tmp_path / "loaded"
    opened.mkdir()
    loaded.mkdir()
    beam.predict_videos(
        model,
        many,
        tmp_path / "work",
        VIEWS,
        open_video=partial(readers.noting, str(opened)),
        preprocessing=partial(readers.counting_models, str(loaded)),
        options=TWO_PROCESSES,
    )
    pids = [path.name.split("-")[1] for path in opened.iterdir()]
    assert len(pids) == len(many.paths)
    shares = sorted(pids.count(pid) for pid in {*pids})
    assert len(shares) == 2
    assert shares[0] >= len(pids) // 4
    models = [path.name.split("-")[0] for path in loaded.iterdir()]
    assert sorted(models) == sorted({*pids})


def test_a_pool_of_workers_that_others_started(videos, tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    (tmp_path / "elsewhere").mkdir()
    # It starts `python`, in a folder of its own.
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    root = str(Path(keras_nonlocal.__file__).parent.parent)
    module = "apache_beam.runners.worker.worker_pool_main"
    pool = subprocess.Popen(
        [sys.executable, "-m", module, f"--service_port={port}"],
        cwd=tmp_path / "elsewhere",
        env=os.environ | {"PATH": programs, "PYTHONPATH": root},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 60
        while not is_open(port):
            assert time.monotonic() < end
            time.sleep(0.1)
        external = f"--environment_config=localhost:{port}"
        options = [*PORTABLE[:2], "--environment_type=EXTERNAL", external]
        opened = tmp_path / "opened"
        opened.mkdir()
        beam.write_video_records(
            videos,
            tmp_path / "own",
            open_video=partial(readers.noting, str(opened)),
            options=options,
        )
    finally:
        pool.terminate()
        pool.wait()
    data.write_video_records(videos, tmp_path / "other", on_error="skip", verbose=False)
    assert record_files(tmp_path / "own") == record_files(tmp_path / "other")
    pids = {path.name.rsplit("-", 2)[1] for path in opened.iterdir()}
    assert pids.isdisjoint({str(os.getpid()), str(pool.pid)})


def is_open(port):
    with socket.socket() as client:
        return client.connect_ex(("localhost", port)) == 0


def test_a_folder_may_have_a_scheme(videos, model, tmp_path):
    pytest.importorskip("tensorflow")
    root = f"ram://{tmp_path.name}"
    local = beam.predict_videos(model, videos, tmp_path / "work", VIEWS)
    for _ in range(2):  # the second call finds the scores of the first
        remote = beam.predict_videos(model, videos, f"{root}/work", VIEWS)
        np.testing.assert_array_equal(local, remote)
    local = beam.write_video_records(videos, tmp_path / "records")
    remote = beam.write_video_records(videos, f"{root}/records")
    for path, other in zip(local.paths, remote.paths, strict=True):
        with open_bytes(other) as file:
            assert file.read() == Path(path).read_bytes()
    with open_bytes(f"{root}/records/failures.jsonl") as file:
        assert len(file.readlines()) == 3
