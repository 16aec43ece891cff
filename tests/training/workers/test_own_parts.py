"""Workers of `tf.distribute` that decode only the clips that they train on."""

import keras
import numpy as np
import pytest

from tests.training.cluster import start_workers
from tests.training.processes import result_of, results_of, start_module
from tests.training.workers.own_parts import EPOCHS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's"
    ),
]
MODULE = "tests.training.workers.own_parts"


@pytest.mark.parametrize(
    ("num_videos", "batch", "workers"),
    [
        # The last batch is one clip, for the first worker alone.
        (13, 4, 2),
        pytest.param(20, 5, 2, marks=pytest.mark.thorough),
        pytest.param(11, 6, 3, marks=pytest.mark.thorough),
    ],
)
def test_together_they_decode_each_clip_once(tmp_path, num_videos, batch, workers):
    arguments = (str(tmp_path), str(num_videos), str(batch), "files", "-1")
    alone = result_of(start_module(MODULE, *arguments))
    found = results_of(*start_workers(MODULE, *arguments, workers=workers))
    for one in found:
        np.testing.assert_allclose(one["weights"], alone["weights"], atol=1e-5)
        assert one["iterations"] == alone["iterations"]
        for name, values in alone["logs"].items():
            np.testing.assert_allclose(one["logs"][name], values, atol=1e-5)
        # Not all. Of a few videos, many are read ahead when Keras begins an epoch anew.
        assert len(one["decoded"]) < EPOCHS * num_videos
    together = sorted(number for one in found for number in one["decoded"])
    assert {*together} == {*range(num_videos)}
    counts = np.bincount(together)
    assert counts.min() >= EPOCHS


def test_a_resumed_run_is_that_of_an_uninterrupted_one(tmp_path):
    """In each epoch, the second worker has nothing of the last batch, also to drop."""
    arguments = ("13", "4", "files", "-1")
    whole = results_of(*start_workers(MODULE, str(tmp_path / "a"), *arguments, "0"))
    for worker in start_workers(MODULE, str(tmp_path / "b"), *arguments, "6"):
        _, errors = worker.communicate(timeout=300)
        assert "CrashError" in errors
    resumed = results_of(*start_workers(MODULE, str(tmp_path / "b"), *arguments, "0"))
    for one, other in zip(whole, resumed, strict=True):
        assert one["weights"] == other["weights"] == whole[0]["weights"]
        assert one["seeds"] == other["seeds"] == whole[0]["seeds"]
        assert other["iterations"] == [8, 12]
        for name, values in one["logs"].items():
            np.testing.assert_allclose(other["logs"][name], values, atol=1e-6)


def test_a_worker_leaves_out_what_it_cannot_read(tmp_path):
    arguments = (str(tmp_path), "13", "4", "files", "5")
    found = results_of(*start_workers(MODULE, *arguments))
    assert found[0]["weights"] == found[1]["weights"]
    # Those to which it belonged in an epoch know it.
    assert {*found[0]["failures"], *found[1]["failures"]} == {"5"}
    assert found[0]["iterations"] == [4, 8, 12]
    together = {number for one in found for number in one["decoded"]}
    assert together == {*range(13)} - {5}


def test_each_worker_may_decode_in_processes(tmp_path):
    pytest.importorskip("grain")
    arguments = (str(tmp_path), "13", "4")
    alone = result_of(start_module(MODULE, *arguments, "memory", "-1"))
    for one in results_of(*start_workers(MODULE, *arguments, "processes", "-1")):
        np.testing.assert_allclose(one["weights"], alone["weights"], atol=1e-5)
        assert one["iterations"] == alone["iterations"]


def test_records_are_divided_before_they_are_decoded(tmp_path):
    arguments = (str(tmp_path), "13", "4", "records", "-1")
    alone = result_of(start_module(MODULE, *arguments))
    for one in results_of(*start_workers(MODULE, *arguments)):
        # Means of a million numbers, in another order for each size of a part.
        np.testing.assert_allclose(one["weights"], alone["weights"], atol=2e-3)
