"""Any released checkpoint file → arrays, its format recognised by its content."""

import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_nonlocal.weights.errors import CheckpointError, MalformedError
from keras_nonlocal.weights.hdf5_file import (
    is_keras_archive,
    read_hdf5,
    read_keras_archive,
)
from keras_nonlocal.weights.npz_file import read_npz
from keras_nonlocal.weights.numpy_pickle import read_numpy_pickle
from keras_nonlocal.weights.torch_file import (
    STREAM_MAGIC,
    open_zip,
    read_torch_stream,
    read_torch_zip,
)

# The largest released file, with momenta, has well under 1 GiB.
MAX_BYTES = 4 * 2**30

# Trained weights hardly compress; what unpacks to much more is made to fill the memory.
_MAX_EXPANSION = 20
_FREE_EXPANSION_BYTES = 64 * 2**20

# Where projects keep the weights inside what they pickle.
_STATE_KEYS = ("blobs", "model_state", "state_dict", "model_state_dict", "model")
_MAX_METADATA_TEXT = 1 << 20

# What else a file may begin with, and what that tells the user.
_OTHER_CONTENT = {
    b"<": "The file is a web page, not a checkpoint: the download went wrong.",
    b"version https://git-lfs": "The file is a Git LFS pointer, not a checkpoint.",
    b"\x1f\x8b": "The file is a gzip archive: unpack it and pass a file from inside.",
}
_PARSE_ERRORS = (
    MalformedError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes:
        path: The file.
        file_format: `"pickle"`, `"torch"`, `"torch-stream"`, `"npz"`, `"hdf5"` or
            `"keras"`.
        arrays: Name in the file → read-only array.
        metadata: The plain values beside the weights, such as `"epoch"`.
    """

    path: str
    file_format: str
    arrays: Mapping[str, np.ndarray]
    metadata: Mapping[str, Any]


def read_checkpoint(
    path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES
) -> Checkpoint:
    """Reads the arrays of a checkpoint file.

    The format is recognised by the content: Caffe2 pickles (`.pkl`), PyTorch files of
    both formats (`.pyth`, `.pth`; PyTorch need not be installed), `.npz`,
    `.weights.h5`, `.h5` and `.keras`. Nothing that a file names is imported or
    called, so a file cannot execute code.

    Args:
        path: The file.
        max_bytes: Size in bytes of the largest file to read, and of the arrays inside
            when they are unpacked; these may not take more than 64 MiB and 20 times
            the file's size either. Defaults to 4 GiB.

    Returns:
        The arrays, and the plain values beside them.

    Raises:
        CheckpointError: If the file is no checkpoint, is damaged, is too large, or
            holds anything but arrays and plain containers.
        OSError: If the file cannot be opened.

    Example:

    >>> import numpy as np
    >>> np.savez("weights.npz", conv1_w=np.zeros((8, 3, 1, 7, 7)))
    >>> checkpoint = keras_nonlocal.weights.read_checkpoint("weights.npz")
    >>> checkpoint.arrays["conv1_w"].shape
    (8, 3, 1, 7, 7)
    """
    file = Path(path)
    with file.open("rb") as stream:
        num_bytes = os.fstat(stream.fileno()).st_size
        if num_bytes > max_bytes:
            raise CheckpointError(
                path, f"The file has {num_bytes} bytes, more than {max_bytes}."
            )
        data = stream.read(max_bytes)
    try:
        unpacked_bytes = _FREE_EXPANSION_BYTES + _MAX_EXPANSION * len(data)
        file_format, value = _parse(data, min(max_bytes, unpacked_bytes))
        arrays, metadata = _arrays_and_metadata(value)
    except _PARSE_ERRORS as error:
        reason = str(error) if isinstance(error, MalformedError) else _described(error)
        raise CheckpointError(path, reason) from error
    return Checkpoint(str(file), file_format, arrays, metadata)


def _described(error: BaseException) -> str:
    detail = f"{type(error).__name__}: {str(error)[:200]}"
    return f"The file is damaged ({detail})."


def _parse(data: bytes, max_bytes: int) -> tuple[str, Any]:
    if not data:
        raise MalformedError("The file is empty.")
    for beginning, reason in _OTHER_CONTENT.items():
        if data.lstrip()[: len(beginning)] == beginning:
            raise MalformedError(reason)
    if data.startswith(b"PK"):
        return _parse_zip(data, max_bytes)
    if data.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5", read_hdf5(data, max_bytes)
    if data.startswith(STREAM_MAGIC):
        return "torch-stream", read_torch_stream(data)
    if data[:1] in (b"\x80", b"(", b"}", b"c"):
        return "pickle", read_numpy_pickle(memoryview(data))
    raise MalformedError(
        "The file is none of a pickle, a torch file, `.npz`, `.h5` or `.keras`."
    )


def _parse_zip(data: bytes, max_bytes: int) -> tuple[str, Any]:
    with open_zip(data) as archive:
        names = archive.namelist()
        if is_keras_archive(archive):
            return "keras", read_keras_archive(data, max_bytes)
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return "torch", read_torch_zip(data)
    if names and all(name.endswith(".npy") for name in names):
        return "npz", read_npz(data, max_bytes)
    raise MalformedError("The zip file is neither a torch file, `.npz` nor `.keras`.")


def _arrays_and_metadata(
    value: Any,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    if not isinstance(value, dict):
        raise MalformedError("The file does not hold a dict of weights.")
    state = value
    for key in _STATE_KEYS:
        if isinstance(value.get(key), dict):
            state = value[key]
            break
    arrays = {}
    for key, item in state.items():
        if not isinstance(key, str):
            raise MalformedError(f"The weights have a key that is no name: {key!r}.")
        arrays[key] = _array(key, item)
    if not arrays:
        raise MalformedError("The file holds no weights.")
    others = {} if state is value else value
    metadata = {str(key): _plain(item) for key, item in others.items()}
    return arrays, {key: item for key, item in metadata.items() if item is not None}


def _array(key: str, item: Any) -> np.ndarray:
    if isinstance(item, (bool, int, float)):
        return np.asarray(float(item))
    if not isinstance(item, np.ndarray):
        raise MalformedError(
            f"The weights hold a {type(item).__name__} as {key[:80]!r}, not an array."
        )
    return item


def _plain(item: Any) -> Any:
    if isinstance(item, (bool, int, float)):
        return item
    if isinstance(item, memoryview) and len(item) <= _MAX_METADATA_TEXT:
        return str(item, "latin-1")
    return item if isinstance(item, str) else None
