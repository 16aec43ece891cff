"""Files that appear as a whole or not at all, locally and behind a scheme."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from keras_nonlocal import files

WRITER = """
import sys, time
from pathlib import Path
from keras_nonlocal.files import replacing
with replacing(sys.argv[1]) as unfinished:
    unfinished.write_bytes(b"half of it")
    print("begun", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_half(path: str) -> None:
    with files.replacing(path) as unfinished:
        unfinished.write_bytes(b"half")
        raise ZeroDivisionError


def killed_writer(path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("name", ["a.weights.h5", "ß" * 120, "x" * 255, "\udcff.mp4"])
def test_the_file_replaces_the_old_one_at_the_end(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    target.write_bytes(b"old")
    with files.replacing(target) as unfinished:
        unfinished.write_bytes(b"new")
        assert target.read_bytes() == b"old"
        assert unfinished.suffix == target.suffix
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == [name]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "state.npz"
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError):
        write_half(str(target))
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["state.npz"]
    with pytest.raises(FileNotFoundError), files.replacing(tmp_path / "no" / "x"):
        pass


def test_killed_writers_leave_the_old_file_and_are_cleaned_up(tmp_path: Path) -> None:
    target = tmp_path / "history.csv"
    target.write_bytes(b"old")
    killed_writer(target)
    killed_writer(target)
    assert target.read_bytes() == b"old"
    assert len(names(tmp_path / ".unfinished")) == 1
    with files.replacing(tmp_path / "other") as unfinished:
        unfinished.write_bytes(b"new")
        assert names(tmp_path / ".unfinished") == [unfinished.name]
    assert names(tmp_path) == ["history.csv", "other"]


def test_only_old_files_of_other_machines_are_leftovers(tmp_path: Path) -> None:
    folder = tmp_path / ".unfinished"
    folder.mkdir()
    running, old = (folder / f"00000000-1-{token}-x" for token in ("0" * 8, "1" * 8))
    foreign = folder / "notes.txt"
    for path in (running, old, foreign):
        path.write_bytes(b"")
    two_days_ago = time.time() - 2 * 86400
    os.utime(old, (two_days_ago, two_days_ago))
    os.utime(foreign, (two_days_ago, two_days_ago))
    with files.replacing(tmp_path / "x") as unfinished:
        unfinished.write_bytes(b"x")
    assert names(folder) == sorted((running.name, foreign.name))


def test_many_writers_of_one_target(tmp_path: Path) -> None:
    target = tmp_path / "shared"
    contents = [bytes([i]) * 50_000 for i in range(16)]
    seen = []

    def write(content: bytes) -> None:
        for _ in range(10):
            with files.replacing(target) as unfinished:
                unfinished.write_bytes(content)
            seen.append(target.read_bytes())

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 160
    assert set(seen) <= set(contents)
    assert names(tmp_path) == ["shared"]


def test_remote_files(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    folder = f"ram://{request.node.name}"
    tf.io.gfile.makedirs(folder)
    target = f"{folder}/a.keras"
    for content in (b"first" * 1000, b"second"):
        with files.replacing(target) as unfinished:
            unfinished.write_bytes(content)
            assert unfinished.suffix == ".keras"
        with files.open_bytes(target) as file:
            assert file.read() == content
    with pytest.raises(ZeroDivisionError):
        write_half(target)
    assert files.list_names(folder) == ["a.keras"]
    assert not unfinished.parent.exists()
    with files.open_bytes(target) as file:
        assert file.read() == b"second"


def test_old_remote_leftovers(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    recent, old = (tmp_path / f".unfinished-00000000-1-{c * 8}-x" for c in "01")
    for path in (recent, old):
        path.write_bytes(b"x")
    two_days_ago = time.time() - 2 * 86400
    os.utime(old, (two_days_ago, two_days_ago))
    for _ in range(2):
        with files.replacing(f"file://{tmp_path}/y") as unfinished:
            unfinished.write_bytes(b"y")
        assert names(tmp_path) == [recent.name, "y"]


@pytest.mark.parametrize("path", ["gs://bucket/run", "s3://x", "ram://a/b.png"])
def test_local_paths_have_no_scheme(path: str) -> None:
    with pytest.raises(ValueError, match=rf"`output` .* Received: output='{path}'"):
        files.local_path("output", path)
    assert files.local_path("output", "gs:/x") == Path("gs:/x")


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    link, real = tmp_path / "state", tmp_path / "store" / "real.npz"
    real.write_bytes(b"old")
    (tmp_path / "other").symlink_to(real)
    link.symlink_to("other")
    with files.replacing(link) as unfinished:
        unfinished.write_bytes(b"new")
    assert real.read_bytes() == b"new"
    assert (tmp_path / "other").is_symlink()
    assert os.readlink(link) == "other"
    assert names(tmp_path / "store") == ["real.npz"]


def test_a_link_to_nothing_creates_its_target(tmp_path: Path) -> None:
    link = tmp_path / "state"
    link.symlink_to("later.npz")
    with files.replacing(link) as unfinished:
        unfinished.write_bytes(b"new")
    assert names(tmp_path) == ["later.npz", "state"]
    assert (tmp_path / "later.npz").read_bytes() == b"new"
    assert link.is_symlink()
    (tmp_path / "lost").symlink_to("no/where")
    with pytest.raises(FileNotFoundError), files.replacing(tmp_path / "lost"):
        pass


def test_a_pipe_gets_the_bytes_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, content = tmp_path / "pipe", bytes(range(256)) * 4096
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        received: list[bytes] = []
        reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))  # noqa: B023
        reader.start()
        with files.replacing(tmp_path / name) as unfinished:
            unfinished.write_bytes(content)
        reader.join()
        assert received == [content]
    assert pipe.is_fifo()
    assert names(tmp_path) == ["link", "pipe"]


def test_what_is_no_file_is_refused_before_the_block(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    # A short name: sockets have a limit.
    with socket.socket(socket.AF_UNIX) as listener:
        folder = os.getcwd()
        os.chdir(tmp_path)
        try:
            listener.bind("socket")
        finally:
            os.chdir(folder)
    for name, error in (
        (".", "Is a directory"),
        ("loop", "Too many levels"),
        ("socket", "Not a regular file"),
    ):
        with pytest.raises(OSError, match=error) as raised:
            write_half(str(tmp_path / name))
        assert raised.value.filename == str(tmp_path / name)
    assert names(tmp_path) == ["loop", "socket"]


def test_a_target_is_checked_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "link").symlink_to("no/where")
    os.mkfifo(tmp_path / "pipe")
    for name in ("old", "new", "pipe"):
        assert files.local_file("output", tmp_path / name) == tmp_path / name
    for name, message in (
        ("no/where", "must lie in an existing folder"),
        ("link", "must lie in an existing folder"),
        ("", "must be a file"),
        ("old/x", "must be a file"),
    ):
        path = str(tmp_path / name)
        with pytest.raises(ValueError, match=f"`output` {message}. Received:") as error:
            files.local_file("output", path)
        assert f"Received: output={path!r}" in str(error.value)
    with pytest.raises(ValueError, match="must be a local path"):
        files.local_file("output", "gs://bucket/found.json")


def test_one_file_under_two_names_is_recognized(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"a")
    (tmp_path / "soft").symlink_to("a")
    os.link(tmp_path / "a", tmp_path / "hard")
    for name in ("a", "./a", "soft", "hard"):
        assert files.same_file(tmp_path / "a", f"{tmp_path}/{name}")
    assert files.same_file(tmp_path / "no" / "x", f"{tmp_path}/no/./x")
    for name in ("b", "no", "\0"):
        assert not files.same_file(tmp_path / "a", f"{tmp_path}/{name}")
    assert not files.same_file("gs://a/b", "gs://a/b")
