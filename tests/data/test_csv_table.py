"""Tables that are complete up to their last line, whatever happens."""

import io
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keras_nonlocal.data.csv_table import CsvTable


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The system writes the beginning of what does not fit, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_lines_after_one_that_did_not_fit_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    with CsvTable(path, ["path", "error"]) as table:
        table.write(["a.mp4", ""])
        with largest_file(90):
            with pytest.raises(OSError, match=r"File too large.*facts\.csv"):
                table.write(["long.mp4", "x" * 99])
            assert path.read_bytes() == b"path,error\r\na.mp4,\r\n"
            table.write(["b.mp4", "short"])
        table.write(["c.mp4", "x" * 99])
    lines = path.read_bytes().split(b"\r\n")
    assert lines[1:] == [b"a.mp4,", b"b.mp4,short", b"c.mp4," + b"x" * 99, b""]


def test_a_line_that_is_interrupted_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(io.FileIO):
        def write(self, content: object) -> int:
            if len(memoryview(content)) > 40:  # type: ignore[arg-type]
                return super().write(memoryview(content)[:7])  # type: ignore[arg-type]
            if len(memoryview(content)) == 40:  # type: ignore[arg-type]
                raise KeyboardInterrupt
            return super().write(content)  # type: ignore[arg-type]

    monkeypatch.setattr(io, "FileIO", Interrupted)
    path = tmp_path / "facts.csv"
    with CsvTable(path, ["path"]) as table:
        with pytest.raises(KeyboardInterrupt):
            table.write(["x" * 45])
        table.write(["d.mp4"])
    assert path.read_bytes() == b"path\r\nd.mp4\r\n"


def test_the_error_of_a_pipe_is_the_one_of_its_writing(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with CsvTable(path, ["path"]) as table:
        table.write(["e.mp4"])
        assert os.read(reader, 99) == b"path\r\ne.mp4\r\n"
        os.close(reader)
        with pytest.raises(BrokenPipeError) as raised:
            table.write(["f.mp4"])
    assert raised.value.filename == str(path)
