"""The same block with the same weights on every backend that is installed."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.parity

BACKENDS = [
    name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)
]
CODE = """
import sys
import numpy as np
import keras
from keras_nonlocal.layers import NonLocalBlock
from tests.layers.gradients import block_value_and_gradients

arrays = np.load(sys.argv[1])
x, upstream = arrays["x"], arrays["upstream"]
results = {}
for mode in ("gaussian", "embedded_gaussian", "dot_product", "concatenation"):
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
            [sys.executable, "-c", CODE, folder / "inputs.npz", output],
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
    largest = {name: np.abs(array).max() for name, array in expected.items()}
    for name, array in results[backend].items():
        mode, _, kind = name.partition("/")
        scale = largest[name]
        if kind != "value":
            # With softmax the gradient of φ's bias is 0, a sum of terms that cancel.
            scale += 0.1 * max(
                largest[other]
                for other in expected
                if other.startswith(f"{mode}/") and other != f"{mode}/value"
            )
        tolerance = 1e-5 if kind == "value" else 1e-4
        np.testing.assert_allclose(
            array, expected[name], rtol=0, atol=tolerance * scale, err_msg=name
        )
