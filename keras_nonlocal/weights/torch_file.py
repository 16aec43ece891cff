"""PyTorch's file formats, read without PyTorch.

The zip format of PyTorch 1.6 and later: `*/data.pkl` beside one uncompressed entry per
storage. The stream format before it: five pickles, then every storage with its length.
"""

import io
import zipfile
from typing import Any

import numpy as np

from keras_nonlocal.weights.errors import MalformedError
from keras_nonlocal.weights.numpy_pickle import PLAIN_CONSTRUCTORS, resolved
from keras_nonlocal.weights.pickle_machine import PickleMachine
from keras_nonlocal.weights.pickle_values import text
from keras_nonlocal.weights.torch_tensors import (
    TORCH_CONSTRUCTORS,
    Storage,
    materialized,
    read_storage_id,
)

MAX_ZIP_ENTRIES = 100_000

STREAM_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
# The first pickle of the stream format: the magic number in protocol 2.
STREAM_MAGIC = b"\x80\x02\x8a\x0a" + STREAM_MAGIC_NUMBER.to_bytes(10, "little") + b"."
STREAM_VERSION = 1001

_CENTRAL_ENTRY = b"PK\x01\x02"


def open_zip(data: bytes) -> zipfile.ZipFile:
    """Opens a zip file in memory whose directory is of a reasonable size."""
    if data.count(_CENTRAL_ENTRY) > MAX_ZIP_ENTRIES:
        raise MalformedError(f"The zip file has more than {MAX_ZIP_ENTRIES} entries.")
    return zipfile.ZipFile(io.BytesIO(data))


def read_torch_zip(data: bytes) -> Any:
    """Reads the zip format.

    Args:
        data: The whole file.

    Returns:
        What `torch.save` was given, tensors as read-only arrays.

    Raises:
        MalformedError: If the file is damaged or holds anything but tensors, arrays
            and plain containers.
    """
    with open_zip(data) as archive:
        return _read_archive(archive)


def _read_archive(archive: zipfile.ZipFile) -> Any:
    entries = {entry.filename: entry for entry in archive.infolist()}
    names = [name for name in entries if name.rpartition("/")[2] == "data.pkl"]
    if len(names) != 1:
        raise MalformedError("The zip file holds no `data.pkl`, or several.")
    folder = names[0].removesuffix("data.pkl")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
        raise MalformedError("The torch file is compressed, which torch never does.")
    byte_order = "<"
    if f"{folder}byteorder" in entries:
        byte_order = ">" if archive.read(f"{folder}byteorder") == b"big" else "<"
    cache: dict[tuple[str, str], np.ndarray] = {}

    def items_of(storage: Storage) -> np.ndarray:
        identity = (storage.key, storage.item_type)
        if identity not in cache:
            name = f"{folder}data/{storage.key}"
            if any(key == storage.key for key, _ in cache) or name not in entries:
                raise MalformedError(
                    f"The torch file lacks the storage {storage.key[:80]!r}, or names "
                    "it with two types."
                )
            raw = memoryview(archive.read(name))
            if len(raw) != storage.num_items * storage.item_size:
                raise MalformedError(
                    f"The torch file holds {len(raw)} bytes for the storage "
                    f"{storage.key[:80]!r} of {storage.num_items} items."
                )
            cache[identity] = storage.items(raw, byte_order)
        return cache[identity]

    machine = PickleMachine(
        memoryview(archive.read(names[0])),
        TORCH_CONSTRUCTORS,
        lambda identifier: read_storage_id(identifier)[0],
    )
    return resolved(materialized(machine.run(), items_of))


def read_torch_stream(data: bytes) -> Any:
    """Reads the stream format; see `read_torch_zip`."""
    view = memoryview(data)
    magic, position = _plain_pickle(view, 0)
    version, position = _plain_pickle(view, position)
    system, position = _plain_pickle(view, position)
    if magic != STREAM_MAGIC_NUMBER or version != STREAM_VERSION:
        raise MalformedError("The torch file is of an unknown version.")
    little = not isinstance(system, dict) or system.get("little_endian", True)
    storages: dict[str, Storage] = {}

    def remember(identifier: Any) -> Storage:
        storage, stored = read_storage_id(identifier)
        if storages.setdefault(stored.key, stored) != stored:
            raise MalformedError("The torch file names a storage with two types.")
        return storage

    machine = PickleMachine(view, TORCH_CONSTRUCTORS, remember, position)
    value = machine.run()
    keys, position = _plain_pickle(view, machine.position)
    if not isinstance(keys, list):
        raise MalformedError("The torch file does not list its storages.")
    items: dict[str, np.ndarray] = {}
    for key in map(text, keys):
        if key not in storages:
            raise MalformedError("The torch file lists a storage that no tensor uses.")
        raw, position = _run(view, position, storages[key])
        items[key] = storages[key].items(raw, "<" if little else ">")
    return resolved(materialized(value, lambda storage: items[storage.key]))


def _plain_pickle(data: memoryview, position: int) -> tuple[Any, int]:
    machine = PickleMachine(data, PLAIN_CONSTRUCTORS, position=position)
    return machine.run(), machine.position


def _run(data: memoryview, position: int, storage: Storage) -> tuple[memoryview, int]:
    """The bytes of one storage, behind their count of items, and where they end."""
    start = position + 8
    num_items = int.from_bytes(data[position:start], "little")
    end = start + storage.num_items * storage.item_size
    if num_items != storage.num_items or end > len(data):
        raise MalformedError("The torch file ends in the middle of a storage.")
    return data[start:end], end
