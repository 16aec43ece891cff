"""`keras-nonlocal train --strategy multi-worker` in two processes of this machine."""

import os
import signal
import time
from contextlib import contextmanager

import numpy as np
import pytest

from keras_nonlocal.training.resumable.state_file import read_progress
from tests.cli.train_command import arguments
from tests.data.videos import moving_pictures, write_video
from tests.training.cluster import configs, start_workers
from tests.training.processes import start_module

pytestmark = pytest.mark.slow
COMMAND = ("tests.shallow", "keras_nonlocal")
SECONDS = 400
# Sums in another order, amplified by the statistics of small batches. The weights
# themselves move by more than 0.1.
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Ten videos of each of two classes to train on, one to validate and test on."""
    pytest.importorskip("tensorflow")  # `tf.data`, on both backends
    root = tmp_path_factory.mktemp("videos")
    for part, count in (("train", 10), ("val", 1), ("test", 1)):
        for name in "ab":
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                frames = moving_pictures(8, 40, 48, ord(name) + 10 * i)
                write_video(folder / f"{i}.mp4", frames)
    return root


def command(videos, output, **changes):
    return arguments(
        videos,
        output,
        **{
            "epochs": 6,
            "save_every": 2,
            "precise_statistics": 2,
            "dropout_rate": 0,
            "learning_rate": 0.08,
        }
        | changes,
    )


@contextmanager
def ended(processes):
    """Kills those of the processes that are left at the end."""
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def train(videos, output, backend, workers=2, **changes):
    """Trains to the end. Returns what each process printed."""
    if workers == 1:
        listed = command(videos, output, **changes)
        processes = [start_module(*COMMAND, *listed, KERAS_BACKEND=backend)]
    else:
        listed = command(videos, output, strategy="multi-worker", **changes)
        processes = start_workers(*COMMAND, *listed, KERAS_BACKEND=backend)
    with ended(processes):
        printed = [process.communicate(timeout=SECONDS) for process in processes]
        for process, (_, errors) in zip(processes, printed, strict=True):
            assert process.returncode == 0, errors[-4000:]
    return [output for output, _ in printed]


def end_in_an_epoch(videos, output, backend, victim, by=signal.SIGKILL):
    """Ends a worker after a state in the second epoch.

    Returns both exit codes, and what the other one prints on standard error.
    """
    listed = command(videos, output, strategy="multi-worker")
    workers = start_workers(*COMMAND, *listed, KERAS_BACKEND=backend)
    with ended(workers):
        limit = time.monotonic() + SECONDS
        while True:
            progress = read_progress(str(output / "state.npz"))
            if progress is not None and (progress.epoch, progress.batch) > (1, 0):
                break
            assert time.monotonic() < limit
            for worker in workers:
                assert worker.poll() is None, worker.communicate()[1][-4000:]
            time.sleep(0.02)
        workers[victim].send_signal(by)
        other = workers[1 - victim]
        _, errors = other.communicate(timeout=150)
        workers[victim].communicate(timeout=150)
        return workers[victim].returncode, other.returncode, errors


def weights(output):
    """The values of the last state, by place: all but the counters of metrics."""
    with np.load(output / "state.npz") as state:
        return {
            name: state[name]
            for name in state.files
            if name.startswith(("model/", "optimizer/"))
        }


def largest_difference(one, other):
    assert one.keys() == other.keys()
    differences = [one[name].astype("float64") - other[name] for name in one]
    # Unlike `max`, NaN if there is one.
    return float(np.max([np.abs(difference).max() for difference in differences]))


@pytest.mark.parametrize(
    ("backend", "victim"),
    [
        ("tensorflow", 1),
        pytest.param("jax", 1, marks=pytest.mark.thorough),
        pytest.param("tensorflow", 0, marks=pytest.mark.thorough),
        pytest.param("jax", 0, marks=pytest.mark.thorough),
    ],
)
def test_a_killed_worker_ends_the_others_and_all_resume(
    backend, victim, videos, tmp_path
):
    pytest.importorskip(backend)
    train(videos, tmp_path / "whole", backend)
    _, code, errors = end_in_an_epoch(videos, tmp_path / "killed", backend, victim)
    if backend == "jax" and victim == 0:
        # Its service ends with it. Where JAX notices that first, it aborts.
        assert code in (3, -signal.SIGABRT)
        assert "Another worker has ended" in errors or "another task died" in errors
    else:
        assert code == 3, errors[-4000:]
        assert "keras-nonlocal: Another worker has ended or cannot" in errors
        assert "Traceback" not in errors
    first, second = train(videos, tmp_path / "killed", backend)
    assert "is resumed in epoch" in first
    assert "cluster from TF_CONFIG: worker 0 of 2, 127.0.0.1:" in first
    assert "cluster from TF_CONFIG: worker 1 of 2, 127.0.0.1:" in second
    whole, resumed = (weights(tmp_path / name) for name in ("whole", "killed"))
    assert largest_difference(whole, resumed) < TOLERANCE


@pytest.mark.parametrize(
    "backend", ["tensorflow", pytest.param("jax", marks=pytest.mark.thorough)]
)
def test_a_worker_that_ends_by_itself_does_not_wait(backend, videos, tmp_path):
    """Processes of JAX wait for each other at their end: here, one needs the other."""
    pytest.importorskip(backend)
    own, other, errors = end_in_an_epoch(
        videos, tmp_path / "run", backend, 1, signal.SIGINT
    )
    assert own == 130
    # Where JAX notices the end before the run does, it aborts.
    assert other == 3 or (backend == "jax" and other == -signal.SIGABRT), errors


@pytest.mark.thorough
def test_processes_of_jax_equal_one(videos, tmp_path):
    """Batch norm sees the global batch, so one process has the same statistics."""
    pytest.importorskip("jax")
    train(videos, tmp_path / "two", "jax", epochs=2)
    train(videos, tmp_path / "one", "jax", workers=1, epochs=2)
    two, one = (weights(tmp_path / name) for name in ("two", "one"))
    assert largest_difference(one, two) < TOLERANCE
    before = train(videos, tmp_path / "zero", "jax", workers=1, epochs=1)
    assert "1 epoch of 20 videos, 5 updates" in before[0]
    assert largest_difference(one, weights(tmp_path / "zero")) > 100 * TOLERANCE


def test_workers_that_see_different_folders_are_told(videos, tmp_path):
    """As with a folder on the disk of each machine: one of them has no state."""
    train(videos, tmp_path / "here", "tensorflow", epochs=1)
    processes = [
        start_module(
            *COMMAND,
            *command(videos, folder, strategy="multi-worker", epochs=1),
            TF_CONFIG=config,
        )
        for folder, config in zip(
            (tmp_path / "here", tmp_path / "elsewhere"), configs(2), strict=True
        )
    ]
    with ended(processes):
        for process in processes:
            _, errors = process.communicate(timeout=SECONDS)
            assert process.returncode != 0
            assert "must be on a disk that all workers see" in errors, errors[-4000:]


@pytest.mark.parametrize(
    ("backend", "changes", "message"),
    [
        (
            "jax",
            {"batch_size": 3},
            "`--batch-size` must be a multiple of",
        ),
        (
            "jax",
            {"batch_size": 24},
            "`--batch-size` must not be larger than",
        ),
        ("jax", {"on_error": "skip"}, "`--on-error` must be"),
        ("torch", {}, "`--strategy` must be"),
    ],
)
def test_what_workers_cannot_do_is_an_error(
    backend, changes, message, videos, tmp_path
):
    pytest.importorskip(backend)
    listed = command(videos, tmp_path / "run", strategy="multi-worker", **changes)
    processes = start_workers(*COMMAND, *listed, KERAS_BACKEND=backend)
    with ended(processes):
        printed = [process.communicate(timeout=SECONDS) for process in processes]
    assert [process.returncode for process in processes] == [2, 2], printed
    assert all(message in errors for _, errors in printed), printed
    assert not os.path.exists(tmp_path / "run" / "state.npz")
