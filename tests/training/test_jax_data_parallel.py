"""The same models under `keras.distribution.DataParallel`."""

import secrets

import pytest

from tests.training.processes import result_of, start_module

# Statistics over few positions amplify the rounding of sums in another order: of 25
# trainings with this learning rate, the largest difference was 9e-6.
TOLERANCE = 5e-5


@pytest.mark.slow
def test_two_devices_equal_one():
    """With batch norm: JAX takes its statistics over the global batch."""
    pytest.importorskip("jax")
    result = result_of(
        start_module(
            "tests.training.jax_data_parallel",
            str(secrets.randbelow(2**31)),
            KERAS_BACKEND="jax",
            XLA_FLAGS="--xla_force_host_platform_device_count=2",
        )
    )
    assert result["device_count"] == 2
    assert result["devices"] == [1, 2]
    assert result["moved"] > 100 * TOLERANCE
    assert result["weights"] < TOLERANCE
    assert result["history"] < TOLERANCE
