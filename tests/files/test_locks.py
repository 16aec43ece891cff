"""Two writers of one directory, and what a killed one leaves."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from keras_nonlocal import files
from keras_nonlocal.files import locks
from keras_nonlocal.files.processes import start_time

_PR_SET_NAME = 15

HOLDER = """
import os, sys
from keras_nonlocal import files
from keras_nonlocal.files import locks
if sys.argv[2] == "claim":
    locks.fcntl = None
locks._SETTLING_SECONDS = 0.05
with files.lock(sys.argv[1]):
    child = os.fork() if sys.argv[3] == "fork" else None
    if not child:
        print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(path: Any, how: str, fork: str = "") -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), how, fork],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.stdin.close()
    process.wait()
    process.stdout.close()


@pytest.fixture(params=["system", "claim"])
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The operating system's lock, and the lock file alone."""
    if request.param == "claim":
        monkeypatch.setattr(locks, "fcntl", None)
    elif locks.fcntl is None:
        pytest.skip("This system has no `fcntl`.")
    monkeypatch.setattr(locks, "_SETTLING_SECONDS", 0.05)
    return request.param


def test_the_second_process_is_told_who_is_the_first(tmp_path: Path, how: str) -> None:
    target = tmp_path / "results.jsonl"
    with holder(target, how) as process:
        message = (
            rf"`results_file` is in use by process {process.pid} on .*, since 20.*; "
            rf"wait .* Received: results_file='{target}'"
        )
        with (
            pytest.raises(files.InUseError, match=message),
            files.lock(target, "results_file"),
        ):
            pass
        with files.lock(tmp_path / "others.jsonl"):
            pass
    with files.lock(target):
        assert [path.name for path in tmp_path.iterdir()] == [".results.jsonl.lock"]
    assert not any(tmp_path.iterdir())


def test_a_killed_process_holds_nothing(tmp_path: Path, how: str) -> None:
    with holder(tmp_path, how) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (tmp_path / ".lock").exists()
        with files.lock(tmp_path):
            owner = json.loads((tmp_path / ".lock").read_text())
            assert owner["pid"] == os.getpid()
    assert not any(tmp_path.iterdir())


def test_forked_workers_of_a_killed_process_hold_nothing(
    tmp_path: Path, how: str
) -> None:
    with holder(tmp_path, how, "fork") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with files.lock(tmp_path):
            pass


def test_threads_exclude_each_other_and_not_themselves(
    tmp_path: Path, how: str
) -> None:
    errors = []

    def other() -> None:
        try:
            with files.lock(tmp_path):
                pass
        except files.InUseError as error:
            errors.append(str(error))

    with files.lock(tmp_path):
        with files.lock(f"{tmp_path}/."):
            pass
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(errors) == 1
    assert f"process {os.getpid()} " in errors[0]
    with files.lock(tmp_path):
        pass


def test_an_error_releases_the_lock(tmp_path: Path, how: str) -> None:
    with pytest.raises(ZeroDivisionError), files.lock(tmp_path):
        raise ZeroDivisionError
    assert not any(tmp_path.iterdir())


def test_one_of_many_gets_the_lock(tmp_path: Path) -> None:
    counts = {"inside": 0, "most": 0, "refused": 0}
    guard = threading.Lock()

    def work() -> None:
        for _ in range(50):
            try:
                with files.lock(tmp_path):
                    with guard:
                        counts["inside"] += 1
                        counts["most"] = max(counts["most"], counts["inside"])
                    time.sleep(1e-4)
                    with guard:
                        counts["inside"] -= 1
            except files.InUseError:
                with guard:
                    counts["refused"] += 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts["most"] == 1
    assert counts["refused"] < 400


@pytest.mark.parametrize("scheme", [False, True])
def test_claims_of_other_machines(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    scheme: bool,
) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setattr(locks, "_SETTLING_SECONDS", 0.05)
    directory = str(tmp_path)
    if scheme:
        tf = pytest.importorskip("tensorflow")
        directory = f"ram://{request.node.name}"
        tf.io.gfile.makedirs(directory)
    claim = {
        "host": "elsewhere",
        "machine": "01234567",
        "pid": 77,
        "started": None,
        "since": "2030-01-02 03:04:05",
        "token": "0",
        "renewed": time.time() - 60,
    }

    def write(**changes: Any) -> None:
        with files.replacing(f"{directory}/.lock") as unfinished:
            unfinished.write_text(json.dumps({**claim, **changes}))

    write()
    message = "in use by process 77 on elsewhere, since 2030-01-02 03:04:05; wait"
    with pytest.raises(files.InUseError, match=message), files.lock(directory):
        pass
    write(renewed=time.time() - 600)
    with files.lock(directory), files.open_bytes(f"{directory}/.lock") as file:
        assert json.loads(file.read())["pid"] == os.getpid()
    assert files.list_names(directory) == []


def test_claims_are_renewed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setattr(locks, "_SETTLING_SECONDS", 0.0)
    monkeypatch.setattr(locks, "_RENEWAL_SECONDS", 0.01)

    def renewed() -> float:
        return json.loads((tmp_path / ".lock").read_text())["renewed"]

    with files.lock(tmp_path):
        first = renewed()
        while renewed() == first:
            time.sleep(0.01)
        # Another process took the lock over while this one was suspended.
        (tmp_path / ".lock").write_text("{}")
    assert (tmp_path / ".lock").read_text() == "{}"


@pytest.mark.skipif(sys.platform != "linux", reason="names of processes in /proc")
@pytest.mark.parametrize("name", [b"caf\xc3", b"a) b\xff (c"])
def test_the_start_of_a_process_of_any_name(name: bytes) -> None:
    libc = ctypes.CDLL(None)
    own, expected = Path("/proc/self/comm").read_bytes(), start_time(os.getpid())
    assert expected is not None
    libc.prctl(_PR_SET_NAME, name, 0, 0, 0)
    try:
        assert start_time(os.getpid()) == expected
    finally:
        libc.prctl(_PR_SET_NAME, own.rstrip(b"\n"), 0, 0, 0)


@pytest.mark.parametrize("error", [PermissionError(), KeyboardInterrupt()])
def test_a_lock_ends_although_its_file_cannot_be_removed(
    tmp_path: Path, error: BaseException
) -> None:
    def unlink(path: str) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "unlink", unlink)
        with (
            nullcontext()
            if isinstance(error, OSError)
            else pytest.raises(KeyboardInterrupt),
            files.lock(tmp_path),
        ):
            pass
    assert (tmp_path / ".lock").exists()
    with files.lock(tmp_path):
        pass
    assert not (tmp_path / ".lock").exists()
