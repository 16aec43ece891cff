"""`keras-nonlocal scan`."""

import csv
import io
import json
import sys

import pytest

from keras_nonlocal.cli import main
from tests.data.videos import moving_pictures, write_video


@pytest.fixture
def collection(tmp_path, monkeypatch):
    """Two videos, one of them in a folder, and a broken one."""
    (tmp_path / "videos" / "deeper").mkdir(parents=True)
    for name in ("videos/a.mp4", "videos/deeper/b.avi"):
        write_video(tmp_path / name, moving_pictures(30, 48, 64))
    (tmp_path / "videos" / "empty.mkv").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "videos"


def test_broken_videos_are_listed_and_told_by_the_exit_code(collection, capsys):
    assert main(["scan", "videos"]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.splitlines() == [
        "3 videos, 1 of them broken",
        "  videos/empty.mkv: Invalid data found when processing input",
        "codecs: h264",
        "shorter sides: 48 to 48 pixels",
        "durations: 1.0 to 1.0 s",
        "written to video_scan.csv",
    ]
    with open("video_scan.csv", encoding="utf-8", newline="") as file:
        rows = [(row["path"], bool(row["error"])) for row in csv.DictReader(file)]
    assert rows == [
        ("videos/a.mp4", False),
        ("videos/empty.mkv", True),
        ("videos/deeper/b.avi", False),
    ]


def test_whole_collections_are_no_failure(collection, capsys):
    assert main(["scan", "videos/a.mp4", "videos/deeper", "--csv", "x.csv"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("2 videos, 0 of them broken\ncodecs: h264\n")
    assert printed.endswith("written to x.csv\n")


def test_json(collection, capsys):
    assert main(["scan", "videos", "--json", "--packets-only", "--threads", "2"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert (printed["num_videos"], printed["num_broken"]) == (3, 1)
    assert printed["csv"] == "video_scan.csv"
    assert printed["videos"][0] == {
        "path": "videos/a.mp4",
        "num_frames": 30,
        "duration": pytest.approx(29 / 30, abs=1e-3),
        "height": 48,
        "width": 64,
        "codec": "h264",
        "error": "",
    }


def test_progress_is_for_terminals(collection, capsys, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["scan", "videos"]) == 1
    *others, last = terminal.getvalue().split("\r")
    assert len(others) == 3
    assert last.startswith("3/3 videos, 1 broken, 0 s left")
    assert last.endswith("\n")


def test_user_errors_are_one_line(collection, capsys):
    assert main(["scan", "nowhere"]) == 2
    assert "Every VIDEO must exist. Received: 'nowhere'" in capsys.readouterr().err
    assert main(["scan", "videos", "--threads", "0"]) == 2
    message = "`--threads` must be a positive integer. Received: --threads=0"
    assert message in capsys.readouterr().err
    assert main(["scan", "videos", "--csv", "no/such/folder.csv"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_without_pyav_a_sentence_says_what_to_install(collection, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    assert main(["scan", "videos"]) == 2
    assert "`pip install av`" in capsys.readouterr().err
