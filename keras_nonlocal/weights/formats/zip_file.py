"""Zip archives with a verified directory."""

import io
import shutil
import zipfile

from keras_nonlocal.weights.errors import MalformedError
from keras_nonlocal.weights.formats.budget import OBJECT_BYTES, Budget

MAX_ZIP_ENTRIES = 100_000

_CENTRAL_ENTRY = b"PK\x01\x02"
# Other methods need memory that the file declares, and no writer of weights uses them.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Signature and sizes, before the name of an entry.
_LOCAL_HEADER_BYTES = 30
_PIECE_BYTES = 2**20


def open_zip(data: bytes, budget: Budget) -> zipfile.ZipFile:
    """Opens a zip file in memory after checking its directory.

    Args:
        data: The whole file.
        budget: The budget to charge for the directory.

    Raises:
        MalformedError: If the directory is too large, if entries share bytes of the
            file, or if they are compressed in an unusual way.
    """
    num_entries = data.count(_CENTRAL_ENTRY)
    if num_entries > MAX_ZIP_ENTRIES:
        raise MalformedError(f"The zip file has more than {MAX_ZIP_ENTRIES} entries.")
    budget.charge(num_entries * 4 * OBJECT_BYTES)
    archive = zipfile.ZipFile(io.BytesIO(data))
    end = 0
    for entry in sorted(archive.infolist(), key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise MalformedError("Entries of the zip file overlap.")
        if entry.compress_type not in _COMPRESSIONS:
            raise MalformedError(
                "The zip file is compressed in a way that no checkpoint is."
            )
        end = entry.header_offset + _LOCAL_HEADER_BYTES + entry.compress_size
    if end > len(data):
        raise MalformedError("The zip file ends in the middle of an entry.")
    return archive


def read_entry(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: Budget
) -> bytes:
    """Reads an entry and charges its size to the budget.

    Raises:
        MalformedError: If the entry is larger than the budget allows.
    """
    budget.charge(entry.file_size + OBJECT_BYTES)
    # All at once would take it twice, and more while the buffers grow.
    content = io.BytesIO()
    with archive.open(entry) as stream:
        shutil.copyfileobj(stream, content, _PIECE_BYTES)
    return content.getvalue()
