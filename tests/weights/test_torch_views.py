"""Tensors of torch files that are views with another sign."""

import numpy as np
import pytest

from keras_nonlocal.weights.checkpoint import read_checkpoint

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_negative_views(rng, tmp_path, dtype):
    values = rng.normal(size=(4, 3)) + 1j * rng.normal(size=(4, 3))
    view = torch.from_numpy(values.astype(dtype)).conj().imag.T
    assert view.is_neg()
    torch.save({"a.weight": view, "b.weight": view.clone()}, tmp_path / "file.pth")
    arrays = read_checkpoint(tmp_path / "file.pth").arrays
    expected = -values.astype(dtype).imag.T
    np.testing.assert_allclose(arrays["a.weight"], expected, rtol=1e-6)
    np.testing.assert_allclose(arrays["b.weight"], expected, rtol=1e-6)


@pytest.mark.parametrize("conjugate", [False, True])
def test_complex_tensors_are_no_weights(tmp_path, conjugate):
    tensor = torch.ones(3, dtype=torch.complex64)
    tensor = tensor.conj() if conjugate else tensor
    torch.save({"a.weight": tensor}, tmp_path / "file.pth")
    with pytest.raises(ValueError, match=r"file\.pth"):
        read_checkpoint(tmp_path / "file.pth")
