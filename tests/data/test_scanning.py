import csv
from pathlib import Path

import pytest

from keras_nonlocal.data import VideoFacts, scan_videos
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
