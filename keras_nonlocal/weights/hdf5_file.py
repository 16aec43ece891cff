"""Keras's HDF5 files: `.weights.h5`, `.keras` and the older whole-model `.h5`.

Only datasets are read. The configuration inside, which could name code, is not.
"""

import io
import math
import zipfile
from collections.abc import Iterator

import h5py
import numpy as np

from keras_nonlocal.weights.errors import MalformedError
from keras_nonlocal.weights.torch_file import open_zip

MAX_DEPTH = 16
MAX_OBJECTS = 100_000

KERAS_WEIGHTS_ENTRY = "model.weights.h5"
KERAS_VARIABLES_GROUP = "vars"
_NUMERIC_KINDS = "biuf"


def read_hdf5(data: bytes, max_bytes: int) -> dict[str, np.ndarray]:
    """Reads every array of a Keras HDF5 file.

    Args:
        data: The whole file.
        max_bytes: How many bytes the arrays may take together.

    Returns:
        Path → array. What `model.save_weights()` wrote goes by the layer's name and
        the variable's number, `"conv1_conv/vars/0"`; what the older whole-model
        format holds by both names, `"conv1_conv/kernel"`.

    Raises:
        MalformedError: If the file is damaged, too large, or refers to other files.
    """
    arrays: dict[str, np.ndarray] = {}
    remaining = max_bytes
    with h5py.File(io.BytesIO(data), "r") as file:
        by_layer = "layer_names" in file.attrs
        for full_path, dataset in _datasets(file):
            path = _variable_path(full_path, by_layer=by_layer)
            _check_dataset(path, dataset)
            remaining -= dataset.dtype.itemsize * math.prod(dataset.shape)
            if remaining < 0:
                raise MalformedError(f"The arrays take more than {max_bytes} bytes.")
            if path in arrays:
                raise MalformedError(f"The file holds `{path[:80]}` twice.")
            arrays[path] = np.asarray(dataset[()])
    return arrays


def read_keras_archive(data: bytes, max_bytes: int) -> dict[str, np.ndarray]:
    """Reads the weights of a `.keras` file; see `read_hdf5`."""
    with open_zip(data) as archive:
        entry = archive.getinfo(KERAS_WEIGHTS_ENTRY)
        if entry.file_size > max_bytes:
            raise MalformedError(f"The weights take more than {max_bytes} bytes.")
        with archive.open(entry) as file:
            return read_hdf5(file.read(max_bytes), max_bytes)


def is_keras_archive(archive: zipfile.ZipFile) -> bool:
    """Whether a zip file is what `model.save("….keras")` writes."""
    return KERAS_WEIGHTS_ENTRY in archive.namelist()


def _datasets(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    visited: set[bytes] = set()
    pending: list[tuple[tuple[str, ...], h5py.Group]] = [((), file)]
    num_objects = 0
    while pending:
        names, group = pending.pop()
        if len(names) > MAX_DEPTH:
            raise MalformedError(f"The groups are nested more than {MAX_DEPTH} deep.")
        for key in group:
            num_objects += 1
            if num_objects > MAX_OBJECTS:
                raise MalformedError(f"The file has more than {MAX_OBJECTS} objects.")
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise MalformedError(f"`{key[:80]}` is a link to another place.")
            child = group[key]
            if isinstance(child, h5py.Dataset):
                yield "/".join((*names, key)), child
                continue
            if not isinstance(child, h5py.Group):
                raise MalformedError(f"`{key[:80]}` is neither a group nor an array.")
            address = bytes(h5py.h5o.get_info(child.id).addr.to_bytes(8, "little"))
            if address in visited:
                raise MalformedError(f"The group `{key[:80]}` is linked twice.")
            visited.add(address)
            pending.append((_child_names(names, key, child), child))


def _child_names(
    names: tuple[str, ...], key: str, group: h5py.Group
) -> tuple[str, ...]:
    """Keras counts layers by class (`layers/conv3d_7`) and keeps the name beside."""
    variables = group.get(KERAS_VARIABLES_GROUP, getclass=False)
    name = variables.attrs.get("name") if isinstance(variables, h5py.Group) else None
    if not names or not isinstance(name, str):
        return (*names, key)
    return (name,) if names == ("layers",) else (*names, name)


def _variable_path(path: str, *, by_layer: bool) -> str:
    """Shortens the paths of whole-model files to `layer/variable`."""
    names = path.removesuffix(":0").split("/")
    if names[0] == "model_weights" or by_layer:
        names = names[names[0] == "model_weights" :]
        last = len(names) - 1 - names[::-1].index(names[0])
        names = names[last:]
    return "/".join(names)


def _check_dataset(path: str, dataset: h5py.Dataset) -> None:
    if dataset.external is not None or dataset.is_virtual:
        raise MalformedError(f"`{path[:80]}` keeps its numbers in another file.")
    if dataset.shape is None or dataset.dtype.kind not in _NUMERIC_KINDS:
        raise MalformedError(f"`{path[:80]}` does not hold numbers.")
