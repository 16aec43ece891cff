"""Identification of the process that wrote a file, and whether it is still running."""

import contextlib
import functools
import hashlib
import os
import socket
from pathlib import Path


@functools.cache
def machine() -> str:
    """Returns a short hash of this machine, its boot and its process namespace.

    Process ids can be compared only if all three are equal. Containers often share a
    host name or the process id 1.
    """
    facts = [socket.gethostname()]
    for source in ("/proc/sys/kernel/random/boot_id", "/etc/machine-id"):
        try:
            facts.append(Path(source).read_text("ascii"))
            break
        except OSError:
            continue
    with contextlib.suppress(OSError):
        facts.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:8]


def start_time(pid: int) -> str | None:
    """Returns the start time of a process, in a unit of the operating system.

    `None` means that the process does not exist or that its start time is unknown.
    """
    try:
        # The name of the process may be cut in the middle of a character.
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        return stat.rpartition(b")")[2].split()[19].decode("ascii")
    except (OSError, IndexError, ValueError):
        return None


def is_running(pid: int, started: str | None = None) -> bool:
    """Whether a process of this machine is running.

    Args:
        pid: The process id.
        started: The result of `start_time` for it. A process with a different start
            time reuses the id.
    """
    if os.name == "nt":
        # On Windows, `os.kill(pid, 0)` would end the process.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    now = start_time(pid)
    return None in (started, now) or started == now
