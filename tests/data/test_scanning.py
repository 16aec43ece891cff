import csv
import errno
import io
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from keras_nonlocal.data import (
    PyAVReader,
    VideoFacts,
    scan_videos,
    scanning,
)
from keras_nonlocal.data.parallel import Workers
from tests.data.videos import moving_pictures, write_video


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """A good video, one with damage in the middle and an empty file."""
    frames = moving_pictures(61, 48, 64)
    options = {"container_options": {"movflags": "faststart"}}
    good = write_video(tmp_path / "good.mp4", frames, **options)
    damaged = tmp_path / "damaged.mp4"
    content = bytearray(Path(good).read_bytes())
    content[len(content) // 2 :] = b"\xff" * (len(content) - len(content) // 2)
    damaged.write_bytes(content)
    (tmp_path / "empty.mp4").touch()
    return [str(tmp_path / f"{name}.mp4") for name in ("good", "damaged", "empty")]


def test_a_scan_finds_what_cannot_be_decoded(paths: list[str], tmp_path: Path) -> None:
    seen: list[VideoFacts] = []
    table = tmp_path / "facts.csv"
    facts = scan_videos(paths, table, num_threads=2, progress=seen.append)
    invalid = "Invalid data found when processing input"
    assert facts == seen
    assert facts == [
        VideoFacts(paths[0], 61, 2.0, 48, 64, "h264"),
        VideoFacts(paths[1], error=invalid),
        VideoFacts(paths[2], error=invalid),
    ]
    with table.open(newline="") as file:
        rows = [*csv.DictReader(file)]
    assert [row["error"] for row in rows] == ["", invalid, invalid]
    assert rows[0] == {
        "path": paths[0],
        "num_frames": "61",
        "duration": "2.0",
        "height": "48",
        "width": "64",
        "codec": "h264",
        "error": "",
    }


def test_without_decoding_the_packets_alone_are_read(paths: list[str]) -> None:
    facts = scan_videos(paths, decode=False)
    assert [fact.num_frames for fact in facts] == [61, 61, 0]
    assert [bool(fact.error) for fact in facts] == [False, False, True]


class Slow:
    """Files whose check takes a minute, but for the quick ones."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, quick: set[str]) -> None:
        self.begun: list[str] = []
        self._quick = quick
        self._never = threading.Event()
        monkeypatch.setattr(scanning, "video_facts", self._scan)

    def _scan(self, path: str, decode: bool) -> VideoFacts:
        self.begun.append(path)
        if path not in self._quick:
            self._never.wait(60)
        return VideoFacts(path, 1)


def lines_of(table: Path) -> list[str]:
    content = table.read_bytes()
    assert content.endswith(b"\r\n")
    return [line.split(",")[0] for line in content.decode().splitlines()[1:]]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError])
def test_a_scan_stops_at_once(
    error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [f"{i}.mp4" for i in range(200)]
    slow = Slow(monkeypatch, {"0.mp4", "1.mp4"})

    def progress(fact: VideoFacts) -> None:
        if fact.path == "1.mp4":
            raise error

    begin = time.monotonic()
    with pytest.raises(error):
        scan_videos(paths, tmp_path / "x.csv", num_threads=3, progress=progress)
    assert time.monotonic() - begin < 20
    assert lines_of(tmp_path / "x.csv") == ["0.mp4", "1.mp4"]
    assert len(slow.begun) < 10


def test_what_was_seen_behind_a_long_video_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [f"{i}.mp4" for i in range(9)]
    Slow(monkeypatch, {"0.mp4", "2.mp4", "3.mp4", "4.mp4", "5.mp4", "6.mp4", "7.mp4"})
    monkeypatch.setattr(scanning, "Workers", counting_workers(7))
    with pytest.raises(KeyboardInterrupt):
        scan_videos(paths, tmp_path / "x.csv", num_threads=3)
    expected = ["0.mp4", *(f"{i}.mp4" for i in range(2, 8))]
    assert lines_of(tmp_path / "x.csv") == expected


def counting_workers(most: int) -> type[Workers]:
    """Workers that are interrupted when they have done some files."""

    class Counting(Workers):
        def completed(self, *arguments: Any) -> Any:
            for count, result in enumerate(super().completed(*arguments), start=1):
                yield result
                if count == most:
                    raise KeyboardInterrupt

    return Counting


def test_a_full_disk_stops_the_scan(
    paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 120
    table = tmp_path / "facts.csv"

    open_file = io.FileIO

    class FullDisk:
        def __init__(self) -> None:
            self._file = open_file(table, "wb")
            self.close, self.truncate = self._file.close, self._file.truncate
            self.seek = self._file.seek

        def write(self, content: bytes) -> int:
            room = limit - self._file.tell()
            if not room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self._file.write(content[:room])

    monkeypatch.setattr(io, "FileIO", lambda *_: FullDisk())
    with pytest.raises(OSError, match=r"No space left .*facts\.csv"):
        scan_videos([paths[0]] * 5, table, decode=False)
    found = lines_of(table)
    assert found == [paths[0]] * len(found)
    assert len(table.read_bytes()) <= limit


def test_a_table_that_cannot_be_written_is_known_before(
    paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(monkeypatch, set())
    with pytest.raises(FileNotFoundError):
        scan_videos(paths, tmp_path / "none" / "facts.csv")
    assert slow.begun == []


def test_the_table_replaces_no_video(
    paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(monkeypatch, set())
    (tmp_path / "link.csv").symlink_to("good.mp4")
    before = Path(paths[0]).read_bytes()
    for table in (paths[0], tmp_path / "link.csv", tmp_path):
        with pytest.raises(ValueError, match=r"`csv_file` must be .* Received: csv_f"):
            scan_videos(paths, table)
    assert slow.begun == []
    assert Path(paths[0]).read_bytes() == before


def test_every_error_is_a_line(
    paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(self: PyAVReader) -> None:
        raise MemoryError("too much")

    monkeypatch.setattr(PyAVReader, "check", check)
    facts = scan_videos(paths[:1])
    assert facts == [VideoFacts(paths[0], error="MemoryError: too much")]
