"""Reads HDF5 files in a separate process.

The HDF5 library is written in C, and files with damaged metadata can make it crash or
loop. A child process therefore reads the file and sends plain arrays back, with limits
on memory and time if the operating system supports them. If the child dies, the file is
reported as damaged.

The child runs this module. Its input is the maximum size of the arrays, followed by the
file. Its output is one line of JSON that describes the arrays, followed by their bytes.
"""

import json
import math
import os
import struct
import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np

from keras_nonlocal.weights.errors import PARSE_ERRORS, MalformedError, described
from keras_nonlocal.weights.formats.budget import FREE_BYTES, MAX_EXPANSION, Budget
from keras_nonlocal.weights.formats.hdf5_file import read_hdf5

resource: ModuleType | None
try:
    import resource
except ImportError:  # Windows
    resource = None

_READY = b"ready\n"
_NUMBERS = struct.Struct("<Q")
_CPU_SECONDS = 3
_WALL_SECONDS = 60
_BYTES_PER_SECOND = 10 * 2**20
_NUMERIC_KINDS = "biuf"


def read_hdf5_safely(data: bytes, budget: Budget) -> dict[str, np.ndarray]:
    """Reads every array of a Keras HDF5 file, as `read_hdf5` does, in a child process.

    Args:
        data: The whole file.
        budget: The budget to charge for the arrays, here and in the child.

    Raises:
        MalformedError: If `read_hdf5` raises it, or if the child dies.
    """
    # The message is a copy.
    budget.charge(len(data))
    output = _child_output(_NUMBERS.pack(budget.array_bytes_left) + data, len(data))
    if output is None:  # no Python executable, as in some servers
        return read_hdf5(data, budget)
    line, _, content = output.partition(b"\n")
    description = json.loads(line)
    if "error" in description:
        raise MalformedError(description["error"])
    return _arrays(description["arrays"], memoryview(content), budget)


def _child_output(message: bytes, file_bytes: int) -> bytes | None:
    """Returns the child's output; `None` if it did not start."""
    command = [sys.executable, "-m", __name__]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    try:
        child = subprocess.run(
            command,
            input=message,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_WALL_SECONDS + file_bytes / _BYTES_PER_SECOND,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MalformedError("The file is damaged (reading it does not end).") from None
    except OSError:
        return None
    if not child.stdout.startswith(_READY):
        return None
    if child.returncode:
        raise MalformedError(
            f"The file is damaged (the HDF5 library ended with {child.returncode})."
        )
    return child.stdout[len(_READY) :]


def _arrays(
    rows: list[Any], content: memoryview, budget: Budget
) -> dict[str, np.ndarray]:
    arrays = {}
    for name, code, shape in rows:
        dtype = np.dtype(code)
        num_bytes = math.prod(shape) * dtype.itemsize
        if dtype.kind not in _NUMERIC_KINDS or num_bytes > len(content):
            raise MalformedError("The file is damaged (the arrays are incomplete).")
        budget.charge_array(num_bytes)
        arrays[name] = np.frombuffer(content[:num_bytes], dtype).reshape(shape)
        content = content[num_bytes:]
    return arrays


def main() -> None:
    """Runs the child process."""
    _write(_READY)
    message = sys.stdin.buffer.read()
    data = message[_NUMBERS.size :]
    (array_bytes,) = _NUMBERS.unpack(message[: _NUMBERS.size])
    _limit(FREE_BYTES + (MAX_EXPANSION + 1) * len(data), len(data))
    try:
        arrays = read_hdf5(data, Budget(len(data), array_bytes))
    except PARSE_ERRORS as error:
        _write(json.dumps({"error": described(error)}).encode() + b"\n")
        return
    rows = [(name, value.dtype.str, value.shape) for name, value in arrays.items()]
    _write(json.dumps({"arrays": rows}).encode() + b"\n")
    for value in arrays.values():
        _write(value.tobytes())


def _write(content: bytes) -> None:
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _limit(num_bytes: int, file_bytes: int) -> None:
    """Limits the additional memory and time of this process."""
    if resource is None:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + _CPU_SECONDS
    limits = {resource.RLIMIT_CPU: seconds + file_bytes // _BYTES_PER_SECOND}
    try:
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + num_bytes
    except OSError:  # not Linux
        pass
    for kind, limit in limits.items():
        _, most = resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY:
            limit = min(limit, most)
        resource.setrlimit(kind, (limit, most))


if __name__ == "__main__":
    main()
