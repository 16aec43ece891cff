"""Locks that keep two processes from writing the same file or directory.

The operating system's lock (`flock`) is used if it is available. It ends with its
process, even after `kill -9`, and the text in the lock file only names the owner.
Otherwise (remote paths, Windows, some network file systems), the text itself is the
lock. Its owner renews it, and a claim that is not renewed is stale.
"""

import errno
import json
import os
import secrets
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

from keras_nonlocal.files.paths import (
    is_directory,
    is_remote,
    open_bytes,
    remove,
)
from keras_nonlocal.files.processes import is_running, machine, start_time
from keras_nonlocal.files.writing import replacing

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_RENEWAL_SECONDS = 20.0
_STALE_SECONDS = 120.0
# After this time, two processes that claim at once both see the later claim.
_SETTLING_SECONDS = 1.0

_POLLING_SECONDS = 0.2

_NO_SYSTEM_LOCKS = {
    errno.EINVAL,
    errno.ENOLCK,
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
}


class InUseError(ValueError):
    """Raised if another process is writing the same file or directory."""


@dataclass(frozen=True)
class _Owner:
    """The process that holds a lock."""

    host: str
    machine: str
    pid: int
    started: str | None
    since: str
    token: str
    renewed: float

    @classmethod
    def here(cls) -> "_Owner":
        return cls(
            socket.gethostname(),
            machine(),
            os.getpid(),
            start_time(os.getpid()),
            time.strftime("%Y-%m-%d %H:%M:%S"),
            secrets.token_hex(8),
            time.time(),
        )

    @classmethod
    def parsed(cls, text: bytes) -> "_Owner | None":
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None

    def encoded(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    def is_gone(self) -> bool:
        if self.machine == machine() and not is_running(self.pid, self.started):
            return True
        return time.time() - self.renewed > _STALE_SECONDS


@contextmanager
def lock(
    path: str | os.PathLike[str], argument: str = "path", *, waits: bool = False
) -> Iterator[None]:
    """Holds a file or directory for this process while the block runs.

    The lock file is `.lock` inside a directory, and `.NAME.lock` beside a file. It is
    removed at the end. The lock of a killed process is ignored. The same thread may
    lock the same path again.

    Args:
        path: The file or directory to guard. A directory must exist. A file need not
            exist, but its folder must.
        argument: Name of the argument with the path, for the error.
        waits: Whether to wait until the lock is free. Defaults to `False`, which raises
            an error.

    Raises:
        InUseError: If another process, or another thread of this one, holds the lock.

    Example:

    >>> import os
    >>> from keras_nonlocal.files import lock
    >>> os.makedirs("run", exist_ok=True)
    >>> with lock("run", "directory"):
    ...     sorted(os.listdir("run"))
    ['.lock']
    """
    file = _lock_file(os.fspath(path))
    key = (file if is_remote(file) else os.path.realpath(file), threading.get_ident())
    if key in _held_by_threads:
        yield
        return
    received = f"{argument}={os.fspath(path)!r}"
    holder = None
    while holder is None:
        try:
            holder = _acquired(file, argument, received)
        except InUseError:
            if not waits:
                raise
            time.sleep(_POLLING_SECONDS)
    _held_by_threads.add(key)
    try:
        yield
    finally:
        _held_by_threads.discard(key)
        holder.release()


_held_by_threads: set[tuple[str, int]] = set()


def _lock_file(path: str) -> str:
    if is_directory(path):
        return os.path.join(path, ".lock")
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.lock")


def _acquired(file: str, argument: str, received: str) -> "_SystemLock | _Claim":
    try:
        if fcntl is not None and not is_remote(file):
            try:
                return _SystemLock(file)
            except OSError as error:
                if error.errno not in _NO_SYSTEM_LOCKS:
                    raise
        return _Claim(file)
    except _HeldError as error:
        owner = error.owner
        who = "another process"
        if owner is not None:
            who = f"process {owner.pid} on {owner.host}, since {owner.since}"
        raise InUseError(
            f"`{argument}` is in use by {who}; wait until it ends, or pass another "
            f"path. Received: {received}"
        ) from None


class _HeldError(Exception):
    def __init__(self, owner: _Owner | None) -> None:
        super().__init__()
        self.owner = owner


class _SystemLock:
    """A lock of the operating system on a local file."""

    def __init__(self, file: str) -> None:
        assert fcntl is not None
        self._file = file
        while True:
            self._descriptor: int | None = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_the_file():
                    os.ftruncate(self._descriptor, 0)
                    os.pwrite(self._descriptor, _Owner.here().encoded(), 0)
                    _system_locks.add(self)
                    return
            except BlockingIOError:
                owner = _Owner.parsed(os.pread(self._descriptor, 4096, 0))
                self.forget()
                raise _HeldError(owner) from None
            except BaseException:
                self.forget()
                raise
            # The last owner removed the file after it was opened here.
            self.forget()

    def release(self) -> None:
        try:
            if self._descriptor is not None:
                # Without the lock, a file that stays means nothing.
                with suppress(OSError):
                    os.unlink(self._file)
        finally:
            self.forget()

    def forget(self) -> None:
        """Closes the descriptor. The lock ends when no process has it open."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _is_the_file(self) -> bool:
        assert self._descriptor is not None
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self._file))
        except FileNotFoundError:
            return False


_system_locks: "weakref.WeakSet[_SystemLock]" = weakref.WeakSet()


def _forget_in_child() -> None:
    # A forked worker that outlives its killed parent must not keep the lock.
    _held_by_threads.clear()
    for held in list(_system_locks):
        held.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)


class _Claim:
    """A lock file whose text is the lock, renewed by a thread."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._owner = _Owner.here()
        present = _read_owner(file)
        if present is not None and not present.is_gone():
            raise _HeldError(present)
        self._write()
        time.sleep(_SETTLING_SECONDS)
        present = _read_owner(file)
        if present is None or present.token != self._owner.token:
            raise _HeldError(present)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def release(self) -> None:
        self._end.set()
        self._thread.join()
        if self._is_mine():
            with suppress(OSError):  # it becomes stale
                remove(self._file)

    def _renew(self) -> None:
        while not self._end.wait(_RENEWAL_SECONDS):
            with suppress(OSError):  # the storage may respond next time
                if not self._is_mine():
                    return
                self._write()

    def _is_mine(self) -> bool:
        present = _read_owner(self._file)
        return present is not None and present.token == self._owner.token

    def _write(self) -> None:
        values: dict[str, Any] = {**asdict(self._owner), "renewed": time.time()}
        with replacing(self._file) as unfinished:
            unfinished.write_bytes(_Owner(**values).encoded())


def _read_owner(file: str) -> _Owner | None:
    try:
        with open_bytes(file) as stream:
            return _Owner.parsed(stream.read())
    except FileNotFoundError:
        return None
