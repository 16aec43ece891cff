"""Forged and mistaken files end in one clear error."""

import functools
import gzip
import io
import os
import pickle
import struct
import tarfile
import zipfile

import h5py
import numpy as np
import pytest

from keras_nonlocal.weights import CheckpointError, read_checkpoint
from keras_nonlocal.weights.formats import pickle_machine, zip_file
from tests.weights.checkpoint_files import (
    caffe2_bytes,
    hdf5_bytes,
    read_bytes,
    torch_bytes,
    write,
)


class Exploit:
    """Would leave a trace if anything called what it names."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize(
    "dump",
    [
        *(functools.partial(pickle.dumps, protocol=protocol) for protocol in range(6)),
        torch_bytes,
        functools.partial(torch_bytes, legacy=True),
    ],
)
def test_no_file_executes_code(tmp_path, dump):
    trace = tmp_path / "trace"
    content = dump({"blobs": {"a": Exploit(os.mkdir, str(trace))}})
    with pytest.raises(CheckpointError, match=r"names `(os|posix|nt)\.mkdir`"):
        read_bytes(tmp_path, content)
    assert not trace.exists()


@pytest.mark.parametrize(
    "function", [eval, getattr, __import__, np.load, np.lib.stride_tricks.as_strided]
)
def test_only_arrays_and_containers_are_admitted(tmp_path, function):
    content = pickle.dumps({"a": Exploit(function, "1")}, 2)
    with pytest.raises(CheckpointError, match="only arrays and plain containers"):
        read_bytes(tmp_path, content)


OBJECT_ARRAY = pickle.dumps({"a": np.array([{}, None], object)}, 2)
NESTED = b"\x80\x02" + b"]" * 1000 + b"a" * 999 + b"."

MALICIOUS = {
    "memo of an enormous index": (b"\x80\x02}r\xff\xff\xff\xff.", "holds no weights"),
    "announced length": (b"\x80\x02B\xff\xff\xff\x7f.", "ends in the middle"),
    "announced 64-bit length": (b"\x80\x04\x8e" + b"\xff" * 8 + b".", "in the middle"),
    "negative length": (b"\x80\x02T\xff\xff\xff\xff.", "in the middle"),
    "long integer": (b"\x80\x02\x8b\xff\xff\xff\x7f.", "enormous number"),
    "no stop": (b"\x80\x02}", "in the middle"),
    "empty stack": (b"\x80\x020.", "takes more from its stack"),
    "mark missing": (b"\x80\x02t.", "closes a group"),
    "foreign operation": (b"\x80\x02i.", "the operation 0x69"),
    "extension registry": (b"\x80\x02\x82\x01.", "the operation 0x82"),
    "cyclic list": (b"\x80\x02]q\x00h\x00a.", "not hold a dict"),
    "cyclic dict": (b"\x80\x02}q\x00U\x01ah\x00s.", "hold a dict as 'a'"),
    "deep list": (NESTED, "not hold a dict"),
    "unknown memo": (b"\x80\x02h\x05.", "does not exist"),
    "tuple as key": (b"\x80\x02})Ns.", "tuple as the key"),
    "key without value": (b"\x80\x02}(Nu.", "key without a value"),
    "call of a list": (b"\x80\x02])R.", "cannot be called"),
    "state for a list": (b"\x80\x02]Nb.", "a state"),
    "persistent id": (b"\x80\x02NQ.", "data outside"),
    "objects": (OBJECT_ARRAY, "of the type 'O8'"),
    "int as name": (pickle.dumps({1: 2.0}, 2), "not a name"),
    "not a dict": (pickle.dumps([1, 2], 2), "not hold a dict"),
    "list as array": (pickle.dumps({"a": [1]}, 2), "hold a list as 'a'"),
    "text": (b"hello", "none of a pickle"),
    "nothing": (b"", "empty"),
    "web page": (b"\n<!DOCTYPE html><html>404</html>", "web page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "LFS pointer"),
    "gzip": (gzip.compress(b"a"), "gzip archive"),
}


@pytest.mark.parametrize("name", MALICIOUS)
def test_malicious_and_mistaken_files(tmp_path, name):
    content, reason = MALICIOUS[name]
    with pytest.raises(CheckpointError, match=reason) as raised:
        read_bytes(tmp_path, content)
    assert str(raised.value).endswith(f"Received: path={str(tmp_path / 'file')!r}")


def test_operations_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(pickle_machine, "MAX_OPERATIONS", 1000)
    with pytest.raises(CheckpointError, match="more than 1000 operations"):
        read_bytes(tmp_path, b"\x80\x02" + b"}0" * 600 + b"}.")


def test_shared_references_are_not_expanded(tmp_path):
    # Each list holds the one before it twice: 2^200 leaves if walked.
    content = b"\x80\x02]q\x00"
    for index in range(200):
        content += b"]q" + bytes([index + 1]) + (b"h" + bytes([index]) + b"a") * 2
    content += b"}(U\x05otherh\xc8U\x05blobs}U\x01aG" + struct.pack(">d", 2.0) + b"su."
    checkpoint = read_bytes(tmp_path, content)
    assert checkpoint.metadata == {}
    assert checkpoint.arrays["a"] == 2.0


def test_an_array_of_the_wrong_length(tmp_path):
    content = caffe2_bytes().replace(b"K\x02K\x03K\x04\x87", b"K\x02K\x03K\xff\x87")
    with pytest.raises(CheckpointError, match=r"shape \(2, 3, 255\) with 96 bytes"):
        read_bytes(tmp_path, content)


def forged_torch(tmp_path, replacements, compression=zipfile.ZIP_STORED):
    """A torch file whose pickle was changed."""
    torch = pytest.importorskip("torch")
    original = zipfile.ZipFile(io.BytesIO(torch_bytes({"a": torch.ones(6)})))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as forged:
        for entry in original.infolist():
            content = original.read(entry)
            for old, new in replacements.items():
                if entry.filename.endswith("data.pkl"):
                    assert old in content
                    content = content.replace(old, new)
            forged.writestr(entry.filename, content)
    return write(tmp_path, file.getvalue())


@pytest.mark.parametrize(
    ("replacements", "reason"),
    [
        # offset, then the shape: K\x00 K\x06 \x85
        ({b"QK\x00K\x06\x85": b"QK\x01K\x06\x85"}, "reaches out of its storage"),
        ({b"QK\x00K\x06\x85": b"QK\x00K\x07\x85"}, "reaches out of its storage"),
        ({b"QK\x00K\x06\x85": b"QJ\xff\xff\xff\xffK\x06\x85"}, "an invalid size"),
        ({b"FloatStorage": b"ComplexFloatStorage"}, "ComplexFloatStorage"),
        ({b"FloatStorage": b"DoubleStorage"}, "24 bytes for the storage '0' of 6"),
        ({b"X\x01\x00\x00\x000": b"X\x02\x00\x00\x00.."}, "lacks the storage"),
        ({b"_rebuild_tensor_v2": b"_rebuild_qtensor"}, "_rebuild_qtensor"),
    ],
)
def test_forged_torch_files(tmp_path, replacements, reason):
    with pytest.raises(CheckpointError, match=reason):
        read_checkpoint(forged_torch(tmp_path, replacements))


def test_a_tensor_cannot_repeat_its_storage(tmp_path):
    # Stride 0 would make 255 × 255 numbers of 6.
    path = forged_torch(
        tmp_path,
        {b"K\x06\x85": b"K\xffK\xff\x86", b"K\x01\x85": b"K\x00K\x00\x86"},
    )
    with pytest.raises(CheckpointError, match="reaches out"):
        read_checkpoint(path)


def test_torch_archives_are_not_decompressed(tmp_path):
    with pytest.raises(CheckpointError, match="torch never does"):
        read_checkpoint(forged_torch(tmp_path, {}, zipfile.ZIP_DEFLATED))


def test_a_zip_bomb(tmp_path):
    file = io.BytesIO()
    np.savez_compressed(file, a=np.zeros(10**7, np.float32))
    assert len(file.getvalue()) < 10**5
    with pytest.raises(CheckpointError, match="take more than 1000000 bytes"):
        read_bytes(tmp_path, file.getvalue(), max_bytes=10**6)


def test_a_small_file_cannot_unpack_to_a_large_one(tmp_path):
    content = hdf5_bytes(lambda f: f.create_dataset("a", (10**8,), "f4", chunks=True))
    assert len(content) < 10**5
    with pytest.raises(CheckpointError, match="The content takes more than 67"):
        read_bytes(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02" + b"}" * 3_000_000,
        b"\x80\x02)" + b"\x85" * 100_000 + b".",
        b"\x80\x02I" + b"9" * 1_000_000 + b"\n.",
        b"S'" + b"\\x41" * 1_000_000 + b"\\q'\n.",
    ],
    ids=["containers", "nesting", "digits", "escapes"],
)
def test_pickles_that_would_take_long(tmp_path, content):
    with pytest.raises(CheckpointError):
        read_bytes(tmp_path, content)


def npy_entry(header):
    header = header.ljust(117).encode() + b"\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", content + bytes(16))
    return file.getvalue()


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,)}", "fewer"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", "not hold numbers"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-2,)}", "hold numbers"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", "wrong length"),
        ("(" * 100, "damaged"),
        ("__import__('os')", "damaged"),
    ],
)
def test_forged_npz_headers(tmp_path, header, reason):
    with pytest.raises(CheckpointError, match=reason):
        read_bytes(tmp_path, npy_entry(header))


def test_zip_files_of_other_content(tmp_path, monkeypatch):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "hello")
        archive.writestr("other.txt", "hello")
    with pytest.raises(CheckpointError, match="neither a torch file"):
        read_bytes(tmp_path, file.getvalue())
    monkeypatch.setattr(zip_file, "MAX_ZIP_ENTRIES", 1)
    with pytest.raises(CheckpointError, match="more than 1 entries"):
        read_bytes(tmp_path, file.getvalue())


def test_a_tar_archive(tmp_path):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    with pytest.raises(CheckpointError, match="none of a pickle"):
        read_bytes(tmp_path, file.getvalue())


def _external(archive, path):
    archive.create_dataset("a", (4,), "f4", external=[(path, 0, 16)])


@pytest.mark.parametrize(
    ("fill", "reason"),
    [
        (lambda f: _external(f, "/etc/hostname"), "in another file"),
        (lambda f: f.__setitem__("a", h5py.SoftLink("/b")), "is a link"),
        (lambda f: f.__setitem__("a", h5py.ExternalLink("b.h5", "/")), "is a link"),
        (lambda f: f.__setitem__("a", f["/"]), "linked twice|nested more"),
        (lambda f: f.create_group("/".join("abcdefghijklmnopqrst")), "nested more"),
        (
            lambda f: f.create_dataset("a", (10**9, 10**9), "f4", chunks=True),
            "take more",
        ),
        (lambda f: f.__setitem__("a", "text"), "not hold numbers"),
        (lambda f: f.__setitem__("a", np.dtype("f4")), "neither a group"),
    ],
)
def test_malicious_hdf5(tmp_path, fill, reason):
    with pytest.raises(CheckpointError, match=reason):
        read_bytes(tmp_path, hdf5_bytes(fill))


def test_large_files_are_refused_unread(tmp_path):
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(5 * 2**30)
    with pytest.raises(CheckpointError, match="more than 4294967296"):
        read_checkpoint(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_checkpoint(tmp_path / "nothing")
