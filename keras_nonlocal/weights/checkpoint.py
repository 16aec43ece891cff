"""Checkpoint files of every format, recognized by their content."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_nonlocal.files import check_readable
from keras_nonlocal.weights.errors import (
    PARSE_ERRORS,
    CheckpointError,
    MalformedError,
    described,
)
from keras_nonlocal.weights.formats.budget import OBJECT_BYTES, Budget
from keras_nonlocal.weights.formats.hdf5_file import (
    is_keras_archive,
    keras_archive_config,
    keras_archive_weights,
)
from keras_nonlocal.weights.formats.hdf5_process import read_hdf5_safely
from keras_nonlocal.weights.formats.npz_file import read_npz
from keras_nonlocal.weights.formats.numpy_pickle import read_numpy_pickle
from keras_nonlocal.weights.formats.torch_file import (
    STREAM_MAGIC,
    read_torch_stream,
    read_torch_zip,
)
from keras_nonlocal.weights.formats.zip_file import open_zip

# The largest released file, including momenta, is well under 1 GiB.
MAX_BYTES = 4 * 2**30

# Keys under which projects store the weights.
_STATE_KEYS = (
    "blobs",
    "model_state",
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "net",
    "network",
    "weights",
    "ema_state_dict",
    "state_dict_ema",
    "model_ema",
    "ema",
)
_MAX_NESTING = 3
# Modules that hold another one and no weights: compiled, sharded, recomputed.
_WRAPPER = re.compile(
    r"(?<![^.])(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
)
_MAX_METADATA_TEXT = 1 << 20

# Other kinds of files that users pass by mistake.
_OTHER_CONTENT = {
    b"<": "The file is a web page, not a checkpoint: the download went wrong.",
    b"version https://git-lfs": "The file is a Git LFS pointer, not a checkpoint.",
    b"\x1f\x8b": "The file is a gzip archive: unpack it and pass a file from inside.",
}


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint file.

    Attributes:
        path: The file.
        file_format: `"pickle"`, `"torch"`, `"torch-stream"`, `"npz"`, `"hdf5"` or
            `"keras"`.
        arrays: A mapping from names in the file to read-only arrays. The names of
            modules that PyTorch wraps around others, such as `_orig_mod`, are left out.
        metadata: The plain values beside the weights, such as `"epoch"`. A `.keras`
            file has the JSON of its model as `"config"`.
    """

    path: str
    file_format: str
    arrays: Mapping[str, np.ndarray]
    metadata: Mapping[str, Any]


def read_checkpoint(
    path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES
) -> Checkpoint:
    """Reads the arrays of a checkpoint file.

    The format is recognized by the content: Caffe2 pickles (`.pkl`), PyTorch files of
    both formats (`.pyth`, `.pth`; PyTorch need not be installed), `.npz`,
    `.weights.h5`, `.h5` and `.keras`. Nothing that a file names is imported or
    called, so a file cannot execute code. Reading allocates at most 64 MiB and 20
    times the size of the file.

    Args:
        path: The file.
        max_bytes: Maximum size in bytes of the file, and of its arrays after unpacking.
            Defaults to 4 GiB.

    Returns:
        The arrays and the plain values stored beside them.

    Raises:
        CheckpointError: If the file is not a checkpoint, is damaged or too large, needs
            more memory than the limit above, or contains anything other than arrays and
            plain containers.
        OSError: If the file cannot be opened.

    Example:

    >>> import numpy as np
    >>> np.savez("weights.npz", conv1_w=np.zeros((8, 3, 1, 7, 7)))
    >>> checkpoint = keras_nonlocal.weights.read_checkpoint("weights.npz")
    >>> checkpoint.arrays["conv1_w"].shape
    (8, 3, 1, 7, 7)
    """
    file = Path(path)
    check_readable(os.fspath(path))
    with file.open("rb") as stream:
        num_bytes = os.fstat(stream.fileno()).st_size
        if num_bytes > max_bytes:
            raise CheckpointError(
                path, f"The file has {num_bytes} bytes, more than {max_bytes}."
            )
        data = stream.read(num_bytes)
    try:
        budget = Budget(len(data), max_bytes)
        file_format, value = _parse(data, budget)
        arrays, metadata = _arrays_and_metadata(value, budget)
    except PARSE_ERRORS as error:
        raise CheckpointError(path, described(error)) from error
    return Checkpoint(str(file), file_format, arrays, metadata)


def _parse(data: bytes, budget: Budget) -> tuple[str, Any]:
    if not data:
        raise MalformedError("The file is empty.")
    for beginning, reason in _OTHER_CONTENT.items():
        if data[:256].lstrip().startswith(beginning):
            raise MalformedError(reason)
    if data.startswith(b"PK"):
        return _parse_zip(data, budget)
    if data.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5", read_hdf5_safely(data, budget)
    if data.startswith(STREAM_MAGIC):
        return "torch-stream", read_torch_stream(data, budget)
    if data[:1] in (b"\x80", b"(", b"}", b"c"):
        return "pickle", read_numpy_pickle(memoryview(data), budget)
    raise MalformedError(
        "The file is none of a pickle, a torch file, `.npz`, `.h5` or `.keras`."
    )


def _parse_zip(data: bytes, budget: Budget) -> tuple[str, Any]:
    with open_zip(data, budget) as archive:
        names = archive.namelist()
        if is_keras_archive(archive):
            weights = keras_archive_weights(archive, budget)
            config = keras_archive_config(archive, budget)
            arrays = read_hdf5_safely(weights, budget)
            return "keras", {_STATE_KEYS[0]: arrays, "config": config}
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return "torch", read_torch_zip(data, budget)
    if names and all(name.endswith(".npy") for name in names):
        return "npz", read_npz(data, budget)
    raise MalformedError("The zip file is neither a torch file, `.npz` nor `.keras`.")


def _arrays_and_metadata(
    value: Any, budget: Budget
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    if not isinstance(value, dict):
        raise MalformedError("The file does not hold a dict of weights.")
    state = _state(value)
    arrays = {}
    for key, item in state.items():
        budget.charge(2 * OBJECT_BYTES)
        if not isinstance(key, str):
            raise MalformedError(f"The weights have a key that is not a name: {key!r}.")
        arrays[key] = _array(key, item)
    if not arrays:
        raise MalformedError("The file holds no weights.")
    others = {} if state is value else value
    metadata = {str(key): _plain(item, budget) for key, item in others.items()}
    metadata = {key: item for key, item in metadata.items() if item is not None}
    return _unwrapped(arrays), metadata


def _unwrapped(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Takes the names of PyTorch's wrappers from the keys, wherever they stand."""
    plain = {_WRAPPER.sub("", key): array for key, array in arrays.items()}
    return plain if len(plain) == len(arrays) else arrays


def _state(value: dict[Any, Any]) -> dict[Any, Any]:
    """Returns the dict of weights, which may be nested in other dicts."""
    for _ in range(_MAX_NESTING):
        inner = [value[key] for key in _STATE_KEYS if isinstance(value.get(key), dict)]
        if not inner:
            break
        value = inner[0]
    return value


def _array(key: str, item: Any) -> np.ndarray:
    if isinstance(item, (bool, int, float)):
        return np.asarray(float(item))
    if not isinstance(item, np.ndarray):
        raise MalformedError(
            f"The weights hold a {type(item).__name__} as {key[:80]!r}, not an array."
        )
    return item


def _plain(item: Any, budget: Budget) -> Any:
    if isinstance(item, (bool, int, float)):
        return item
    if isinstance(item, memoryview) and len(item) <= _MAX_METADATA_TEXT:
        budget.charge(len(item))
        return str(item, "latin-1")
    return item if isinstance(item, str) else None
