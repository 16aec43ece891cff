"""Calls of a function that must keep a promise about memory and time.

A worker process makes one call after another, each under the limits of the operating
system. If a call kills it, the next worker begins behind that call.
"""

import contextlib
import gc
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator

from keras_nonlocal.weights import CheckpointError
from keras_nonlocal.weights.formats.budget import FREE_BYTES, MAX_EXPANSION

# The interpreter's own: its pools, and pages that a fork copies to count references.
SLACK_BYTES = 32 * 2**20
CPU_SECONDS = 10

# What a call is about: its name, and the file that it reads.
Case = tuple[str, str]
Read = Callable[[str], object]


def outcomes(
    make_case: Callable[[int], Case], read: Read, first: int = 0
) -> Iterator[tuple[int, str, str]]:
    """Yields the outcomes of the cases from `first` on, without end.

    Args:
        make_case: Makes the case of a number, without limits.
        read: Reads the file of a case, within the limits.
        first: The first number.

    Yields:
        The number, the name, and `"read"`, `"refused"` (a `CheckpointError`) or a
        description of the fault.
    """
    while True:
        reading, writing = os.pipe()
        worker = os.fork()
        if not worker:
            os.close(reading)
            _work(make_case, read, first, writing)
        os.close(writing)
        name = "?"
        is_ended = False
        try:
            with open(reading) as lines:
                for line in lines:
                    first, name, result = json.loads(line)
                    if result is not None:
                        yield first, name, result
            is_ended = True
        finally:
            if not is_ended:
                os.kill(worker, signal.SIGKILL)
            _, status = os.waitpid(worker, 0)
        yield first, name, _death(status)
        first += 1


def _work(make_case: Callable[[int], Case], read: Read, first: int, pipe: int) -> None:
    """The worker, which never returns."""
    gc.freeze()
    try:
        with open(pipe, "w", buffering=1) as lines:
            while True:
                name, path = make_case(first)
                lines.write(json.dumps([first, name, None]) + "\n")
                lines.write(json.dumps([first, name, outcome(read, path)]) + "\n")
                first += 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def outcome(read: Read, path: str) -> str:
    """Calls `read(path)` under limits, which may kill this process."""
    promise = FREE_BYTES + MAX_EXPANSION * os.path.getsize(path) + SLACK_BYTES
    gc.collect()
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak starts anew
    before = _memory("VmRSS")
    with _limits(_memory("VmSize") + promise):
        result = _result(read, path)
    grown = _memory("VmHWM") - before
    if result == "out of memory" or grown > promise:
        return f"took {max(grown, promise)} bytes or more, {promise} are promised"
    return result


@contextlib.contextmanager
def _limits(address_space: int) -> Iterator[None]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(usage.ru_utime + usage.ru_stime) + 1 + CPU_SECONDS
    limits = {resource.RLIMIT_AS: address_space, resource.RLIMIT_CPU: seconds}
    before = {kind: resource.getrlimit(kind) for kind in limits}
    for kind, limit in limits.items():
        resource.setrlimit(kind, (limit, before[kind][1]))
    try:
        yield
    finally:
        for kind, pair in before.items():
            resource.setrlimit(kind, pair)


def _result(read: Read, path: str) -> str:
    try:
        read(path)
        return "read"
    except CheckpointError as error:
        is_exhausted = isinstance(error.__cause__, MemoryError)
        return "out of memory" if is_exhausted else "refused"
    except MemoryError:
        return "out of memory"
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        return f"raised {type(error).__name__}: {str(error)[:200]}"


def _death(status: int) -> str:
    if not os.WIFSIGNALED(status):
        return f"ended the process with status {os.WEXITSTATUS(status)}"
    name = signal.Signals(os.WTERMSIG(status)).name
    limit = f", after {CPU_SECONDS} s" if name == "SIGXCPU" else ""
    return f"killed the process by {name}{limit}"


def _memory(name: str) -> int:
    """A line of `/proc/self/status`, in bytes."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {name}")
