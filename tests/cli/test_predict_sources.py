"""Where `keras-nonlocal predict` and `scan` find videos, and the CSV of `predict`."""

import csv
import json
import os

import numpy as np
import pytest

from keras_nonlocal import decode_predictions, predict_video
from keras_nonlocal.cli import main, parsed
from keras_nonlocal.data import FrameFolderReader
from tests.data.pictures import jpeg
from tests.data.videos import moving_pictures, write_video
from tests.inference.test_predicting import small

VIEWS = ["--num-clips", "2", "--num-crops", "1", "--frame-stride", "2"]


@pytest.fixture
def model(tmp_path, monkeypatch):
    """Videos at several depths, a folder of frames and a file that is no video."""
    for name in ("c/a.mp4", "c/deep/er/b.avi"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_video(tmp_path / name, moving_pictures(9, 48, 64, seed=len(name)))
    (tmp_path / "c/frames").mkdir()
    for number, pixels in enumerate(moving_pictures(12, 50, 60, seed=3)):
        (tmp_path / f"c/frames/img_{number}.jpg").write_bytes(jpeg(pixels))
    (tmp_path / "c/deep/cover.jpg").write_bytes(jpeg(np.zeros((8, 8, 3), "uint8")))
    (tmp_path / "c/deep/broken.mkv").write_bytes(b"no video")
    monkeypatch.chdir(tmp_path)
    made = small()
    made.save("model.keras")
    return made


FOUND = ["c/a.mp4", "c/deep/broken.mkv", "c/deep/er/b.avi", "c/frames"]


def expected(model, path):
    reader = {"open_video": FrameFolderReader} if path == "c/frames" else {}
    scores = predict_video(model, path, 2, 1, frame_stride=2, **reader)
    return decode_predictions(scores, 5, [*"01234"])[0]


def test_directories_at_any_depth_and_folders_of_frames(model, capsys):
    assert main(["predict", "model.keras", "c", *VIEWS, "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)["videos"]
    assert [row["path"] for row in rows] == FOUND
    assert rows[1].keys() == {"path", "error"}
    for row in (rows[0], *rows[2:]):
        best = expected(model, row["path"])
        assert [x["class"] for x in row["classes"]] == [name for name, _ in best]
        scores = [x["score"] for x in row["classes"]]
        np.testing.assert_allclose(scores, [x for _, x in best], atol=1e-6)
    assert main(["predict", "model.keras", "c/frames", "c/a.mp4", *VIEWS]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if line[0] != " "] == ["c/frames", "c/a.mp4"]


def test_a_broken_video_is_one_line_and_the_others_are_scored(model, capsys):
    command = ["predict", "model.keras", "c", "gone.mp4", *VIEWS, "--csv", "out.csv"]
    assert main([*command, "--top", "2"]) == 1
    captured = capsys.readouterr()
    broken, gone = captured.err.splitlines()
    assert broken.startswith("c/deep/broken.mkv: Invalid data")
    assert gone == "gone.mp4: No such file or directory"
    with open("out.csv", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["path", "class_1", "score_1", "class_2", "score_2", "error"]
    assert [row[0] for row in rows] == [*FOUND, "gone.mp4"]
    assert rows[1][1:5] == [""] * 4
    assert rows[1][5].startswith("Invalid data")
    for row in (rows[0], *rows[2:4]):
        (first, score), (second, other) = expected(model, row[0])[:2]
        assert (row[1], row[3], row[5]) == (first, second, "")
        np.testing.assert_allclose([*map(float, row[2::2][:2])], [score, other], 1e-4)


@pytest.mark.parametrize(
    ("content", "options", "paths"),
    [
        ("c/a.mp4 0\nc/frames 4\n", [], ["c/a.mp4", "c/frames"]),
        ("a.mp4\nframes\n", ["--root", "c"], ["c/a.mp4", "c/frames"]),
        ("path,label\nc/a.mp4,1\n", [], ["c/a.mp4"]),
        ("path\nc/a.mp4\n", [], ["c/a.mp4"]),
        ('"c/a.mp4","3,4"\n', ["--list-format", "path-labels"], ["c/a.mp4"]),
    ],
)
def test_lists_with_and_without_labels(model, capsys, content, options, paths):
    with open("some.list", "w", encoding="utf-16") as file:
        file.write(content)
    command = ["predict", "model.keras", "some.list", *options, *VIEWS, "--json"]
    assert main(command) == 0
    rows = json.loads(capsys.readouterr().out)["videos"]
    assert [row["path"] for row in rows] == paths
    found = [(x["class"], x["score"]) for x in rows[-1]["classes"]]
    best = expected(model, paths[-1])
    assert [name for name, _ in found] == [name for name, _ in best]


@pytest.mark.parametrize(
    "target",
    ["c/a.mp4", "some.txt", "model.keras", "c", "c/frames/img_3.jpg", "hard.mp4"],
)
@pytest.mark.parametrize("command", ["predict", "scan"])
def test_the_csv_replaces_no_input(model, tmp_path, capsys, command, target):
    if command == "scan" and target == "model.keras":
        pytest.skip("a scan has no model")
    (tmp_path / "some.txt").write_text("c/a.mp4\nc/frames\n")
    os.link("c/a.mp4", "hard.mp4")
    before = (tmp_path / "c/a.mp4").read_bytes()
    picture = (tmp_path / "c/frames/img_3.jpg").read_bytes()
    models = ["model.keras"] if command == "predict" else []
    assert main([command, *models, "some.txt", "--csv", f"./{target}"]) == 2
    message = capsys.readouterr().err
    assert "`--csv` must be a file of its own" in message
    assert message.count("\n") == 1
    assert (tmp_path / "c/a.mp4").read_bytes() == before
    assert (tmp_path / "c/frames/img_3.jpg").read_bytes() == picture
    assert (tmp_path / "some.txt").read_text() == "c/a.mp4\nc/frames\n"


@pytest.mark.parametrize("target", ["class_names.txt", "config.json", "mine.txt"])
def test_the_csv_replaces_nothing_of_the_model(model, tmp_path, capsys, target):
    for name in ("class_names.txt", "config.json", "mine.txt"):
        (tmp_path / name).write_text("a\nb\n")
    options = ["--class-names", "mine.txt", "--csv", f"{tmp_path}/./{target}"]
    assert main(["predict", "model.keras", "c", *options]) == 2
    assert "`--csv` must be a file of its own" in capsys.readouterr().err
    assert (tmp_path / target).read_text() == "a\nb\n"


def test_videos_and_options_come_in_any_order():
    options = parsed(["predict", "m", "--top", "2", "a.mp4", "b.mp4", "--json"])
    assert (options.videos, options.top, options.json) == (["a.mp4", "b.mp4"], 2, True)
    options = parsed(["predict", "m", "a.mp4", "--top", "2", "b.mp4"])
    assert options.videos == ["a.mp4", "b.mp4"]
    options = parsed(["predict", "m", "--top", "2", "a.mp4", "--", "-b.mp4"])
    assert options.videos == ["a.mp4", "-b.mp4"]


def test_errors_come_before_the_model_is_loaded(model, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").write_text("\n")
    for arguments, message in (
        (["empty"], "`VIDEO` holds no videos"),
        (["empty.txt"], "A list must hold at least one video. Received: 'empty.txt'"),
        (["c", "--top", "0"], "`--top` must be at least 1. Received: --top=0"),
        (["c", "--csv", "no/out.csv"], "`--csv` must be a file in a folder that"),
    ):
        assert main(["predict", "missing.keras", *arguments]) == 2
        printed = capsys.readouterr().err
        assert message in printed
        assert "directory=" not in printed


def test_scan_folders_of_frames(model, tmp_path, capsys):
    assert main(["scan", "c", "--csv", "facts.csv"]) == 1
    with open("facts.csv", encoding="utf-8", newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert list(rows) == FOUND
    frames = rows["c/frames"]
    assert [frames[n] for n in ("num_frames", "height", "width", "codec", "error")] == [
        *("12", "50", "60", "mjpeg", "")
    ]
    assert float(frames["duration"]) == pytest.approx(11 / 30, abs=1e-6)
    damaged = tmp_path / "c/frames/img_7.jpg"
    damaged.write_bytes(damaged.read_bytes()[:300])
    capsys.readouterr()
    assert main(["scan", "c/frames", "--json"]) == 1
    (fact,) = json.loads(capsys.readouterr().out)["videos"]
    assert "img_7.jpg" in fact["error"]
    assert main(["scan", "c/frames", "--packets-only"]) == 0
