"""Detectors under `MirroredStrategy`: the losses and weights of one device."""

import secrets

import keras
import pytest

from tests.training.processes import result_of, start_module

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's"
    ),
]
TOLERANCE = 1e-5


@pytest.mark.parametrize("how", ["graph"])  # "xla" takes minutes
def test_two_replicas_train_as_one_device_would(how):
    seed = str(secrets.randbelow(2**31))
    process = start_module("tests.detection.replicated_detectors", seed, how)
    result = result_of(process)
    assert result["on_replicas"] == [False, True]
    assert result["jit_compile"] == (how == "xla")
    assert result["moved"] > 100 * TOLERANCE, seed
    assert result["weights"] < TOLERANCE, seed
    assert {"loss", "mask_loss", "rpn_box_loss"} < {*result["losses"]}
    assert max(result["losses"].values()) < TOLERANCE, (seed, result)
