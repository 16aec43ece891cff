"""Small checkpoint files of every format, as bytes."""

import io
import pickle

import h5py
import numpy as np
import pytest

from keras_nonlocal.weights import read_checkpoint

ARRAYS = {
    "conv1_w": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "conv1_b": np.array([1.5, -2.5]),
    "halves": np.array([0.5, 2.0], np.float16),
    "counts": np.array([[1, 2**40]]),
    "big_endian": np.array([1.0, 2.0], ">f4"),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "empty": np.zeros((0, 3), np.float32),
}


def write(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    return path


def read_bytes(tmp_path, content, **options):
    return read_checkpoint(write(tmp_path, content), **options)


def assert_arrays(checkpoint, expected):
    assert set(checkpoint.arrays) == set(expected)
    for key, value in expected.items():
        np.testing.assert_array_equal(checkpoint.arrays[key], value)


def caffe2_bytes(protocol=2):
    return pickle.dumps({"blobs": ARRAYS, "epoch": 5, "cfg": "A: 1"}, protocol)


def torch_bytes(value, legacy=False):
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def npz_bytes(save=np.savez):
    file = io.BytesIO()
    save(file, **ARRAYS)
    return file.getvalue()


def hdf5_bytes(fill):
    file = io.BytesIO()
    with h5py.File(file, "w") as archive:
        fill(archive)
    return file.getvalue()
