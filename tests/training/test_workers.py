"""`ReplicatedModel` under `MultiWorkerMirroredStrategy`, on loopback."""

import secrets
import signal
import time
from typing import Any

import keras
import numpy as np
import pytest

from tests.training.cluster import start_workers
from tests.training.processes import results_of
from tests.training.test_replicas import TOLERANCE, check_equal_to_one_device

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's"
    ),
]


def scenarios(replicas_per_worker: int, *names: str) -> list[dict[str, Any]]:
    seed = secrets.randbelow(2**31)
    module = "tests.training.replica_scenarios"
    workers = start_workers(module, str(replicas_per_worker), str(seed), *names)
    return results_of(*workers)


@pytest.mark.parametrize(
    ("replicas_per_worker", "names"),
    [
        (1, ("xla_steps_per_execution", "unknown_length")),
        pytest.param(1, ("synchronized",), marks=pytest.mark.thorough),
        pytest.param(2, ("loss_scale",), marks=pytest.mark.thorough),
    ],
)
def test_workers_equal_one_device(replicas_per_worker, names):
    for results in scenarios(replicas_per_worker, *names):
        for name in names:
            check_equal_to_one_device(results[name])


@pytest.mark.thorough
def test_every_worker_has_the_batches_and_statistics_of_all():
    for results in scenarios(1, "batches", "moving_statistics"):
        assert results["batches"]["weights"] < TOLERANCE
        assert results["batches"]["logs"] < TOLERANCE
        statistics = results["moving_statistics"]
        for expected, copies in zip(
            statistics["expected"], statistics["copies"], strict=True
        ):
            np.testing.assert_allclose(copies, [expected], rtol=1e-5)


def test_a_killed_worker_is_noticed_within_a_minute():
    survivor, victim = start_workers("tests.training.endless_worker")
    try:
        for worker in (survivor, victim):
            assert worker.stdout.readline().strip() == "running"
        victim.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        output, _ = survivor.communicate(timeout=60)
        assert time.monotonic() - killed < 60
        assert output.strip() == "UnavailableError"
        assert survivor.returncode == 3
    finally:
        for worker in (survivor, victim):
            worker.kill()
            worker.communicate()
