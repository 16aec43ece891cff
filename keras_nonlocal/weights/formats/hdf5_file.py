"""Keras's HDF5 files: `.weights.h5`, `.keras` and the older whole-model `.h5`.

Only datasets and the names of layers are read. The model configuration of a `.keras`
file, which could refer to code, is returned as text.
"""

import io
import math
import zipfile
from collections.abc import Iterator

import h5py
import numpy as np

from keras_nonlocal.weights.errors import MalformedError
from keras_nonlocal.weights.formats.budget import OBJECT_BYTES, Budget
from keras_nonlocal.weights.formats.hdf5_chunks import charge_chunks
from keras_nonlocal.weights.formats.zip_file import read_entry

MAX_DEPTH = 16
MAX_OBJECTS = 100_000

KERAS_WEIGHTS_ENTRY = "model.weights.h5"
_KERAS_CONFIG_ENTRY = "config.json"
# A network of 152 layers has less than one megabyte.
_MAX_CONFIG_BYTES = 4 << 20
KERAS_VARIABLES_GROUP = "vars"
_NUMERIC_KINDS = "biuf"


def read_hdf5(data: bytes, budget: Budget) -> dict[str, np.ndarray]:
    """Reads every array of a Keras HDF5 file.

    Args:
        data: The whole file.
        budget: The budget to charge for the arrays and their names.

    Returns:
        A mapping from paths to arrays. Files of `model.save_weights()` use the layer's
        name and the variable's number, `"conv1_conv/vars/0"`. Files of the older
        whole-model format use two names, `"conv1_conv/kernel"`.

    Raises:
        MalformedError: If the file is damaged, exceeds the budget, or refers to other
            files.
    """
    arrays: dict[str, np.ndarray] = {}
    with h5py.File(io.BytesIO(data), "r") as file:
        by_layer = "layer_names" in file.attrs
        for full_path, dataset in _datasets(file, budget):
            path = _variable_path(full_path, by_layer=by_layer)
            _check_dataset(path, dataset)
            budget.charge_array(dataset.dtype.itemsize * math.prod(dataset.shape))
            charge_chunks(dataset, len(data), budget)
            if path in arrays:
                raise MalformedError(f"The file holds `{path[:80]}` twice.")
            arrays[path] = np.asarray(dataset[()])
    return arrays


def keras_archive_weights(archive: zipfile.ZipFile, budget: Budget) -> bytes:
    """Returns the HDF5 file inside a `.keras` file."""
    return read_entry(archive, archive.getinfo(KERAS_WEIGHTS_ENTRY), budget)


def keras_archive_config(archive: zipfile.ZipFile, budget: Budget) -> str | None:
    """Returns the model's JSON in a `.keras` file, or `None` if it is unusual."""
    if _KERAS_CONFIG_ENTRY not in archive.namelist():
        return None
    entry = archive.getinfo(_KERAS_CONFIG_ENTRY)
    if entry.file_size > _MAX_CONFIG_BYTES:
        return None
    content = read_entry(archive, entry, budget)
    budget.charge(4 * len(content))
    return content.decode("utf-8", "replace")


def is_keras_archive(archive: zipfile.ZipFile) -> bool:
    """Whether a zip file has the layout of a `.keras` file."""
    return KERAS_WEIGHTS_ENTRY in archive.namelist()


def _datasets(file: h5py.File, budget: Budget) -> Iterator[tuple[str, h5py.Dataset]]:
    visited: set[int] = set()
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
            budget.charge(sum(map(len, names)) + len(key) + 8 * OBJECT_BYTES)
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise MalformedError(f"`{key[:80]}` is a link to another place.")
            child = group[key]
            if isinstance(child, h5py.Dataset):
                yield "/".join((*names, key)), child
                continue
            if not isinstance(child, h5py.Group):
                raise MalformedError(f"`{key[:80]}` is neither a group nor an array.")
            address = h5py.h5o.get_info(child.id).addr
            if address in visited:
                raise MalformedError(f"The group `{key[:80]}` is linked twice.")
            visited.add(address)
            pending.append((_child_names(names, key, child, budget), child))


def _child_names(
    names: tuple[str, ...], key: str, group: h5py.Group, budget: Budget
) -> tuple[str, ...]:
    """Returns the path of names to a child, with the names that Keras gave the layers.

    Keras numbers layers by class (`layers/conv3d_7`) and stores the name in an
    attribute.
    """
    name = None
    if names and isinstance(
        group.get(KERAS_VARIABLES_GROUP, getlink=True), h5py.HardLink
    ):
        variables = group[KERAS_VARIABLES_GROUP]
        if isinstance(variables, h5py.Group):
            name = _text_attribute(variables, "name", budget)
    if name is None:
        return (*names, key)
    return (name,) if names == ("layers",) else (*names, name)


def _text_attribute(group: h5py.Group, name: str, budget: Budget) -> str | None:
    """Returns an attribute that is a single string.

    Arrays of strings are not read: each element may refer to the same long text.
    """
    if name not in group.attrs:
        return None
    attribute = group.attrs.get_id(name)
    if attribute.shape != () or h5py.check_string_dtype(attribute.dtype) is None:
        return None
    budget.charge(attribute.dtype.itemsize)
    value = group.attrs[name]
    budget.charge(4 * len(value))
    return value if isinstance(value, str) else None


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
