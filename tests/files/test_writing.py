"""Files that appear as a whole or not at all, locally and behind a scheme."""

import os
import signal
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
