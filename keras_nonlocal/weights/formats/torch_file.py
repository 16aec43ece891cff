"""Reads PyTorch's file formats without PyTorch.

The zip format of PyTorch 1.6 and later has `*/data.pkl` beside one uncompressed entry
per storage. The older stream format has five pickles, followed by each storage with its
length.
"""

import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_nonlocal.weights.errors import MalformedError
from keras_nonlocal.weights.formats.budget import Budget
from keras_nonlocal.weights.formats.numpy_pickle import PLAIN_CONSTRUCTORS, resolved
from keras_nonlocal.weights.formats.pickle_machine import PickleMachine
from keras_nonlocal.weights.formats.pickle_values import text
from keras_nonlocal.weights.formats.torch_tensors import (
    TORCH_CONSTRUCTORS,
    Storage,
    read_storage_id,
    tensor_values,
)
from keras_nonlocal.weights.formats.zip_file import open_zip, read_entry

STREAM_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
# The first pickle of the stream format: the magic number in protocol 2.
STREAM_MAGIC = b"\x80\x02\x8a\x0a" + STREAM_MAGIC_NUMBER.to_bytes(10, "little") + b"."
STREAM_VERSION = 1001


def read_torch_zip(data: bytes, budget: Budget) -> Any:
    """Reads the zip format.

    Args:
        data: The whole file.
        budget: The budget to charge for everything that the file builds.

    Returns:
        The argument of `torch.save`, with read-only arrays for tensors.

    Raises:
        MalformedError: If the file is damaged or contains anything other than tensors,
            arrays and plain containers.
    """
    with open_zip(data, budget) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        names = [name for name in entries if name.rpartition("/")[2] == "data.pkl"]
        if len(names) != 1:
            raise MalformedError("The zip file holds no `data.pkl`, or several.")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise MalformedError(
                "The torch file is compressed, which torch never does."
            )
        storages = _StoredRuns(
            archive, entries, names[0].removesuffix("data.pkl"), budget
        )
        machine = PickleMachine(
            memoryview(read_entry(archive, entries[names[0]], budget)),
            TORCH_CONSTRUCTORS,
            budget,
            lambda identifier: read_storage_id(identifier, budget)[0],
        )
        return resolved(
            machine.run(),
            lambda value: tensor_values(value, storages.items, budget),
            budget,
        )


class _StoredRuns:
    """The storages of a torch file of the zip format, each read once."""

    def __init__(
        self,
        archive: zipfile.ZipFile,
        entries: Mapping[str, zipfile.ZipInfo],
        folder: str,
        budget: Budget,
    ) -> None:
        self._archive = archive
        self._entries = entries
        self._folder = folder
        self._budget = budget
        self._read: dict[str, tuple[str, np.ndarray]] = {}
        order = entries.get(f"{folder}byteorder")
        is_big = order is not None and read_entry(archive, order, budget) == b"big"
        self._byte_order = ">" if is_big else "<"

    def items(self, storage: Storage) -> np.ndarray:
        """Returns the items of a storage."""
        if storage.key not in self._read:
            self._read[storage.key] = storage.item_type, self._items(storage)
        item_type, items = self._read[storage.key]
        if item_type != storage.item_type:
            raise MalformedError(
                f"The torch file names the storage {storage.key[:80]!r} with two types."
            )
        return items

    def _items(self, storage: Storage) -> np.ndarray:
        entry = self._entries.get(f"{self._folder}data/{storage.key}")
        if entry is None:
            raise MalformedError(
                f"The torch file lacks the storage {storage.key[:80]!r}."
            )
        raw = memoryview(read_entry(self._archive, entry, self._budget))
        if len(raw) != storage.num_items * storage.item_size:
            raise MalformedError(
                f"The torch file holds {len(raw)} bytes for the storage "
                f"{storage.key[:80]!r} of {storage.num_items} items."
            )
        return storage.items(raw, self._byte_order, self._budget)


def read_torch_stream(data: bytes, budget: Budget) -> Any:
    """Reads the stream format; see `read_torch_zip`."""
    view = memoryview(data)
    magic, position = _plain_pickle(view, 0, budget)
    version, position = _plain_pickle(view, position, budget)
    system, position = _plain_pickle(view, position, budget)
    if magic != STREAM_MAGIC_NUMBER or version != STREAM_VERSION:
        raise MalformedError("The torch file is of an unknown version.")
    little = not isinstance(system, dict) or system.get("little_endian", True)
    storages: dict[str, Storage] = {}

    def remember(identifier: Any) -> Storage:
        storage, stored = read_storage_id(identifier, budget)
        if storages.setdefault(stored.key, stored) != stored:
            raise MalformedError("The torch file names a storage with two types.")
        return storage

    machine = PickleMachine(view, TORCH_CONSTRUCTORS, budget, remember, position)
    value = machine.run()
    keys, position = _plain_pickle(view, machine.position, budget)
    if not isinstance(keys, list):
        raise MalformedError("The torch file does not list its storages.")
    items: dict[str, np.ndarray] = {}
    for key in (text(key, budget) for key in keys):
        if key not in storages:
            raise MalformedError("The torch file lists a storage that no tensor uses.")
        raw, position = _run(view, position, storages[key])
        items[key] = storages[key].items(raw, "<" if little else ">", budget)
    return resolved(
        value,
        lambda value: tensor_values(value, lambda s: items[s.key], budget),
        budget,
    )


def _plain_pickle(data: memoryview, position: int, budget: Budget) -> tuple[Any, int]:
    machine = PickleMachine(data, PLAIN_CONSTRUCTORS, budget, position=position)
    return machine.run(), machine.position


def _run(data: memoryview, position: int, storage: Storage) -> tuple[memoryview, int]:
    """Returns the bytes of one storage and their end position.

    The number of items precedes them.
    """
    start = position + 8
    num_items = int.from_bytes(data[position:start], "little")
    end = start + storage.num_items * storage.item_size
    if num_items != storage.num_items or end > len(data):
        raise MalformedError("The torch file ends in the middle of a storage.")
    return data[start:end], end
