"""Hides TensorFlow's start-up messages.

TensorFlow's C++ code writes them to file descriptor 2 during the import, before any log
level takes effect. During that import, the descriptor leads to a process that passes on
all other lines (`line_filter`). A process, unlike a thread, passes on lines even if
this process is killed during the import. Other threads and the programs that they start
also write through it and lose nothing.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keras_nonlocal.import_hooks import around_import

_PROGRAM = Path(__file__).with_name("line_filter.py")
_STDERR = 2
_is_hooked = False


def hide_startup_lines() -> None:
    """Filters TensorFlow's messages during its import, if it is yet to come."""
    global _is_hooked
    if not _is_hooked and "tensorflow" not in sys.modules:
        around_import("tensorflow", _starting)
        _is_hooked = True


@contextmanager
def _starting() -> Iterator[None]:
    with without_startup_lines():
        yield
        # The first search for GPUs also writes lines. It does not start a device.
        sys.modules["tensorflow"].config.list_physical_devices()


@contextmanager
def without_startup_lines() -> Iterator[None]:
    """Passes on text written to file descriptor 2, except known start-up messages.

    If the filter cannot be started, all text is passed on.
    """
    mark = b"\0" + os.urandom(16) + b"\0"
    program = _started_filter(mark)
    if program is None:
        yield
        return
    _flush()
    terminal = os.dup(_STDERR)
    assert program.stdin is not None
    os.dup2(program.stdin.fileno(), _STDERR)
    program.stdin.close()
    try:
        yield
    finally:
        _flush()
        os.write(_STDERR, mark)
        assert program.stdout is not None
        # Wait for the filter, whose text belongs before the next output.
        program.stdout.read(1)
        os.dup2(terminal, _STDERR)
        os.close(terminal)
        program.stdout.close()
        # Programs started in the meantime may keep the filter running until they end.
        threading.Thread(target=program.wait, daemon=True).start()


def _started_filter(mark: bytes) -> "subprocess.Popen[bytes] | None":
    """Returns the running filter, or `None` if this process cannot start one."""
    is_python = Path(sys.executable or "").name.lower().startswith(("python", "pypy"))
    if not is_python or not _PROGRAM.is_file():
        return None
    try:
        os.fstat(_STDERR)
        program = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_PROGRAM), mark.hex()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
    except OSError:
        return None
    assert program.stdin is not None
    assert program.stdout is not None
    if program.stdout.read(1):
        return program
    program.stdin.close()
    program.stdout.close()
    program.wait()
    return None


def _flush() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()
