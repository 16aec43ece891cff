"""Damaged files end in one clear error."""

import numpy as np
import pytest

from keras_nonlocal.weights import CheckpointError, read_checkpoint
from tests.weights.checkpoint_files import (
    caffe2_bytes,
    hdf5_bytes,
    npz_bytes,
    torch_bytes,
)


def fuzz_contents():
    torch = pytest.importorskip("torch")
    tensors = {"a": torch.arange(6.0), "b": torch.ones(2, 2).half()}
    return {
        "pickle": caffe2_bytes(),
        "pickle0": caffe2_bytes(0),
        "pickle5": caffe2_bytes(5),
        "torch": torch_bytes(tensors),
        "torch-stream": torch_bytes(tensors, legacy=True),
        "npz": npz_bytes(),
        "npz-compressed": npz_bytes(np.savez_compressed),
        "hdf5": hdf5_bytes(lambda f: f.__setitem__("layers/a/vars/0", np.ones(9))),
    }


FORMATS = (
    "pickle",
    "pickle0",
    "pickle5",
    "torch",
    "torch-stream",
    "npz",
    "npz-compressed",
    "hdf5",
)


@pytest.mark.parametrize("name", FORMATS)
def test_truncated_files(tmp_path, name):
    content = fuzz_contents()[name]
    path = tmp_path / "file"
    # HDF5 files are read in a process each.
    num_lengths = 8 if name == "hdf5" else 200
    for length in {*range(0, len(content) - 1, max(1, len(content) // num_lengths))}:
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError):
            read_checkpoint(path)


@pytest.mark.parametrize("name", FORMATS)
def test_flipped_bytes_end_in_one_kind_of_error(tmp_path, name):
    content = fuzz_contents()[name]
    path = tmp_path / "file"
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(10 if name == "hdf5" else 300):
        damaged = bytearray(content)
        for position in rng.integers(0, len(content), rng.integers(1, 4)):
            damaged[position] ^= 1 << rng.integers(0, 8)
        path.write_bytes(damaged)
        try:
            read_checkpoint(path)
            outcomes.add("read")
        except CheckpointError:
            outcomes.add("refused")
    assert "refused" in outcomes
