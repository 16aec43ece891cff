"""What is read from the files of every format."""

import os
import pickle
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest

from tests.weights.checkpoint_files import (
    ARRAYS,
    assert_arrays,
    caffe2_bytes,
    npz_bytes,
    read_bytes,
    torch_bytes,
    write,
)


@pytest.mark.parametrize("protocol", range(6))
def test_pickles(tmp_path, protocol):
    checkpoint = read_bytes(tmp_path, caffe2_bytes(protocol))
    assert checkpoint.file_format == "pickle"
    assert checkpoint.metadata == {"epoch": 5, "cfg": "A: 1"}
    assert_arrays(checkpoint, ARRAYS)


def test_a_pickle_of_python_2(tmp_path):
    # cPickle of Python 2, protocol 2: names and bytes are both SHORT_BINSTRING.
    content = (
        b"\x80\x02}U\x05blobs}U\x07conv1_wcnumpy.core.multiarray\n_reconstruct\n"
        b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4"
        b"K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"U\x08" + np.array([1.0, -2.0], "<f4").tobytes() + b"tbss."
    )
    assert_arrays(read_bytes(tmp_path, content), {"conv1_w": [1.0, -2.0]})
    assert_arrays_equal_to_pickle(content)


def assert_arrays_equal_to_pickle(content):
    trusted = pickle.loads(content, encoding="latin1")
    np.testing.assert_array_equal(trusted["blobs"]["conv1_w"], [1.0, -2.0])


@pytest.mark.parametrize("legacy", [False, True])
def test_torch_tensors(tmp_path, legacy):
    torch = pytest.importorskip("torch")
    base = torch.arange(24.0).reshape(2, 3, 4)
    tensors = OrderedDict(
        plain=base,
        transposed=base.permute(2, 0, 1),
        sliced=base[:, 1:, ::2],
        parameter=torch.nn.Parameter(torch.ones(3)),
        half=torch.tensor([0.5, -3.0]).half(),
        brain=torch.tensor([0.5, -3.0, 1e30]).bfloat16(),
        double=torch.tensor([1e-300], dtype=torch.float64),
        flags=torch.tensor([True, False]),
        scalar=torch.tensor(7),
        small=torch.tensor([1, -2], dtype=torch.int8),
        empty=torch.zeros(0, 3),
    )
    module_state = torch.nn.BatchNorm1d(2).state_dict()  # an OrderedDict with state
    checkpoint = read_bytes(
        tmp_path,
        torch_bytes(
            {"epoch": 195, "model_state": tensors, "other": module_state}, legacy
        ),
    )
    assert checkpoint.file_format == ("torch-stream" if legacy else "torch")
    assert checkpoint.metadata == {"epoch": 195}
    expected = {
        key: value.detach().float().numpy()
        if key == "brain"
        else value.detach().numpy()
        for key, value in tensors.items()
    }
    assert_arrays(checkpoint, expected)
    assert checkpoint.arrays["sliced"].strides == (48, 16, 8)  # a view, no copy


def test_torch_files_are_read_where_torch_is_not_installed(tmp_path):
    path = write(tmp_path, torch_bytes({"a": pytest.importorskip("torch").ones(2)}))
    program = (
        "import sys\n"
        "class NoTorch:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'torch': raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "from keras_nonlocal.weights import read_checkpoint\n"
        "print(read_checkpoint(sys.argv[1]).arrays['a'].tolist())"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "[1.0, 1.0]\n"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path, save):
    checkpoint = read_bytes(tmp_path, npz_bytes(save))
    assert checkpoint.file_format == "npz"
    assert_arrays(checkpoint, ARRAYS)
