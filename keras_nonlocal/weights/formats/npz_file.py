"""Reads `.npz` archives of numbers, within a budget."""

import math
import zipfile

import numpy as np
from numpy.lib import format as npy_format

from keras_nonlocal.weights.errors import MalformedError
from keras_nonlocal.weights.formats.budget import Budget
from keras_nonlocal.weights.formats.zip_file import open_zip

_HEADER_READERS = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}
_NUMERIC_KINDS = "biuf"


def read_npz(data: bytes, budget: Budget) -> dict[str, np.ndarray]:
    """Reads every array of an archive.

    Args:
        data: The whole file.
        budget: The budget to charge for the arrays.

    Returns:
        A mapping from names to arrays.

    Raises:
        MalformedError: If the file is damaged, exceeds the budget, or contains anything
            other than numbers.
    """
    arrays = {}
    with open_zip(data, budget) as archive:
        for entry in archive.infolist():
            budget.charge_array(entry.file_size)
            arrays[entry.filename.removesuffix(".npy")] = _read_array(archive, entry)
    return arrays


def _read_array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(entry) as file:
        version = npy_format.read_magic(file)
        if version not in _HEADER_READERS:
            raise MalformedError(f"`{entry.filename[:80]}` has an unknown version.")
        shape, is_fortran, dtype = _HEADER_READERS[version](file)
        num_bytes = math.prod(shape) * dtype.itemsize
        if dtype.kind not in _NUMERIC_KINDS or min(shape, default=0) < 0:
            raise MalformedError(f"`{entry.filename[:80]}` does not hold numbers.")
        if num_bytes > entry.file_size:
            raise MalformedError(
                f"`{entry.filename[:80]}` announces {num_bytes} bytes and has fewer."
            )
        raw = file.read(num_bytes)
        if len(raw) != num_bytes or file.read(1):
            raise MalformedError(f"`{entry.filename[:80]}` has the wrong length.")
    return np.frombuffer(raw, dtype).reshape(shape, order="F" if is_fortran else "C")
