"""The same block with the same weights on every backend that is installed."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from keras_nonlocal.layers.route_choice import ROUTES
from tests.layers.gradients import assert_gradients_are_close

pytestmark = pytest.mark.parity

BACKENDS = [
    name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)
]
MODES = tuple(ROUTES)
CODE = """
import sys
import numpy as np
import keras
from keras_nonlocal.layers import NonLocalBlock
from tests.layers.gradients import block_value_and_gradients

arrays = np.load(sys.argv[1])
x, upstream = arrays["x"], arrays["upstream"]
results = {}
for mode in sys.argv[3:]:
    block = NonLocalBlock(mode=mode, pool_size=(1, 2, 2), data_format="channels_last")
    block.build(x.shape)
    for index, variable in enumerate(block.variables):
        start = 100 * index
        values = arrays["weights"][start : start + np.prod(variable.shape, dtype=int)]
        variable.assign(values.reshape(variable.shape))
    value, gradients = block_value_and_gradients(block, x, upstream)
    results[f"{mode}/value"] = value
    results |= {f"{mode}/{name}": array for name, array in gradients.items()}
np.savez(sys.argv[2], **results)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Backend -> name -> values or gradients."""
    folder = tmp_path_factory.mktemp("agreement")
    rng = np.random.default_rng()
    shape = (2, 3, 5, 4, 6)
    np.savez(
        folder / "inputs.npz",
        x=np.float32(rng.normal(size=shape)),
        upstream=np.float32(rng.normal(size=shape)),
        # Also variances: positive.
        weights=np.float32(rng.uniform(0.2, 1, size=2000)),
    )
    arrays = {}
    for backend in BACKENDS:
        output = folder / f"{backend}.npz"
        subprocess.run(
            [sys.executable, "-c", CODE, folder / "inputs.npz", output, *MODES],
            check=True,
            env={**os.environ, "KERAS_BACKEND": backend},
        )
        arrays[backend] = dict(np.load(output))
    return arrays


@pytest.mark.skipif(len(BACKENDS) < 2, reason="needs two backends")
@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_values_and_gradients_agree(results, backend):
    expected = results[BACKENDS[0]]
    assert set(results[backend]) == set(expected)
    for mode in MODES:
        own, wanted = (
            {
                name.removeprefix(f"{mode}/"): array
                for name, array in arrays.items()
                if name.startswith(f"{mode}/")
            }
            for arrays in (results[backend], expected)
        )
        value = wanted.pop("value")
        np.testing.assert_allclose(
            own.pop("value"), value, rtol=0, atol=1e-5 * np.abs(value).max()
        )
        assert_gradients_are_close(own, wanted, 1e-4)
