"""Checks of what the HDF5 library allocates for the chunks of a dataset.

The library trusts the file. It loads whole chunks, which may be larger than the
dataset, and it decompresses a chunk completely, even beyond its stated size.
"""

import math
import zlib
from typing import Any

import h5py

from keras_nonlocal.weights.errors import MalformedError
from keras_nonlocal.weights.formats.budget import OBJECT_BYTES, Budget

# Other filters, and plug-ins, may allocate any amount.
_SIZE_PRESERVING = {h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
_CHECKSUM_BYTES = 4


def charge_chunks(dataset: h5py.Dataset, file_bytes: int, budget: Budget) -> None:
    """Charges for reading the chunks of a dataset, if it has any.

    Args:
        dataset: The dataset.
        file_bytes: Size of the file.
        budget: The budget to charge.

    Raises:
        MalformedError: If chunks decompress to more than their size, or use filters
            other than gzip, shuffling and checksums.
    """
    filters = _filters(dataset)
    if dataset.chunks is None:
        return
    places = math.prod(
        -(-size // chunk)
        for size, chunk in zip(dataset.shape, dataset.chunks, strict=True)
    )
    # The library allocates a node for each chunk of a selection.
    budget.charge(4 * OBJECT_BYTES * places)
    chunk_bytes = math.prod(dataset.chunks) * dataset.dtype.itemsize
    budget.charge(chunk_bytes)
    stored: list[Any] = []
    dataset.id.chunk_iter(stored.append)
    for chunk in stored:
        budget.charge(chunk_bytes + 4 * OBJECT_BYTES)
        if chunk.size > file_bytes:
            raise MalformedError("A chunk of the file is larger than the file.")
        if h5py.h5z.FILTER_DEFLATE in filters:
            _check_inflated_size(dataset, chunk, chunk_bytes, filters)


def _filters(dataset: h5py.Dataset) -> list[int]:
    properties = dataset.id.get_create_plist()
    codes = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    compressing = [code for code in codes if code not in _SIZE_PRESERVING]
    if compressing not in ([], [h5py.h5z.FILTER_DEFLATE]):
        raise MalformedError("The file is compressed in a way that Keras never uses.")
    return codes


def _check_inflated_size(
    dataset: h5py.Dataset, chunk: Any, chunk_bytes: int, filters: list[int]
) -> None:
    mask, raw = dataset.id.read_direct_chunk(chunk.chunk_offset)
    if mask >> filters.index(h5py.h5z.FILTER_DEFLATE) & 1:
        return  # this chunk is not compressed
    limit = chunk_bytes + len(filters) * _CHECKSUM_BYTES
    if len(zlib.decompressobj().decompress(raw, limit + 1)) > limit:
        raise MalformedError("A chunk of the file unpacks to more than its size.")
