"""Names that a terminal cannot show, from the folder to the printed result."""

import io
import json
import os
import sys

import numpy as np
import pytest

from keras_nonlocal.cli import main
from keras_nonlocal.runs.class_names import read_class_names, write_class_names
from tests.data.videos import moving_pictures, write_video
from tests.inference.test_predicting import small

NAMES = ("caf\udce9", "jump", "jump ", "東京", 'say "hi"')
VIEWS = ["--num-clips", "1", "--num-crops", "1", "--frame-stride", "2"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model of five classes, and videos of two of them."""
    for seed, name in enumerate((NAMES[0], NAMES[2])):
        directory = tmp_path / "videos" / name
        directory.mkdir(parents=True)
        video = write_video(tmp_path / "x.mp4", moving_pictures(9, 48, 64, seed))
        os.rename(video, directory / "v\udce9 東.mp4")
    small().save(tmp_path / "model.keras")
    write_class_names(tmp_path, NAMES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_commands_agree_about_names(folder, encoding, monkeypatch):
    assert read_class_names(folder / "class_names.txt") == NAMES

    def printed(*arguments):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", stream)
        assert main([*arguments, *VIEWS]) == 0
        stream.flush()
        return stream.buffer.getvalue().decode(encoding)

    result = ("evaluate", "model.keras", "videos", "--results-file", "scores.jsonl")
    rows = json.loads(printed(*result, "--json"))["per_class"]
    assert [row["class"] for row in rows] == list(NAMES)
    assert [row["videos"] for row in rows] == [1, 0, 1, 0, 0]
    assert printed(*result).startswith("| class | videos | ")
    videos = [str(path) for path in sorted((folder / "videos").rglob("*.mp4"))]
    found = json.loads(printed("predict", "model.keras", *videos, "--json"))["videos"]
    assert [row["path"] for row in found] == videos
    assert {row["class"] for row in found[0]["classes"]} == {*NAMES}
    lines = (folder / "scores.jsonl").read_text().splitlines()[1:]
    for row in found:
        (line,) = (x for x in map(json.loads, lines) if row["path"].endswith(x["path"]))
        scores = {x["class"]: x["score"] for x in row["classes"]}
        np.testing.assert_allclose(
            [scores[n] for n in NAMES], line["scores"], atol=1e-5
        )
