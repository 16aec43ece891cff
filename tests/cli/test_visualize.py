"""`keras-nonlocal visualize`."""

import json

import av
import pytest

from keras_nonlocal.cli import main
from tests.data.videos import write_video
from tests.visualize.clips import gray_video, red_attends_to_red

CLIP = ("--frame-stride", "1", "--short-side", "32", "--picture-height", "64")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    red_attends_to_red().save(folder / "model.keras")
    video = write_video(folder / "red.mp4", gray_video(8, [(1, 8, 16), (6, 16, 0)]))
    (folder / "labels.txt").write_text("red\nother\nnothing\n")
    return [str(folder / "model.keras"), video]


def size_of(path):
    with av.open(str(path)) as container:
        frames = [*container.decode(video=0)]
        return len(frames), frames[0].height


def test_attention(files, tmp_path, capsys):
    output = str(tmp_path / "red.png")
    options = ["--query", "1", "9", "17", "--connections", "6", "--layer", "block"]
    assert main(["visualize", *files, output, *options, *CLIP]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("block: 6 connections with 0.")
    assert printed.endswith(f"written to {output}\n")
    # A gap, the title and the legend in a line, the picture, the bar, the time.
    assert size_of(output) == (1, 4 + 14 + 64 + 4 + 8 + 14 + 4)


def test_attention_json(files, tmp_path, capsys):
    output = str(tmp_path / "red.mp4")
    options = ["--query", "1", "9", "17", "--connections", "8", "--json"]
    assert main(["visualize", *files, output, *options, *CLIP]) == 0
    printed = json.loads(capsys.readouterr().out)
    frames = {row["place"]["first_frame"] for row in printed["connections"]}
    assert frames == {1, 6}
    assert (printed["output"], printed["layer_name"]) == (output, "block")
    assert sum(printed["frame_weights"]) == pytest.approx(1, abs=1e-4)
    assert size_of(output)[0] == 8


@pytest.mark.parametrize(("name", "index"), [("red", 0), ("1", 1), (None, None)])
def test_grad_cam(name, index, files, tmp_path, capsys):
    output = str(tmp_path / "class.png")
    labels = ["--class-names", files[0].replace("model.keras", "labels.txt")]
    chosen = [] if name is None else ["--class", name]
    arguments = ["visualize", *files, output, "--kind", "grad-cam", *labels, *chosen]
    assert main([*arguments, "--json", *CLIP]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["class"] == ("red", "other", "nothing")[printed["class_index"]]
    assert index in (None, printed["class_index"])
    assert 0 <= printed["score"] <= 1
    assert len(printed["strength_per_feature_frame"]) == 8
    assert main([*arguments, *CLIP]) == 0
    assert f"class {printed['class']} with the score" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--kind", "grad-cam", "--query", "0", "0", "0"],
            "`--query` belongs to `--kind",
        ),
        (["--class", "red"], "`--class` belongs to `--kind grad-cam`"),
        (
            ["--kind", "grad-cam", "--class", "blue"],
            "of the 3 classes. Received: 'blue'",
        ),
        (["--layer", "redness"], "Received: --layer='redness'"),
        (["--query", "8", "0", "0"], "Received: --query=(8, 0, 0)"),
        (["--start", "9"], "Received: --start=9.0"),
        (["--connections", "-2"], "Received: --connections=-2"),
    ],
)
def test_user_errors_are_one_line(arguments, message, files, tmp_path, capsys):
    output = str(tmp_path / "red.png")
    assert main(["visualize", *files, output, *CLIP, *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("keras-nonlocal: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


def test_files_that_do_not_fit(files, tmp_path, capsys):
    model, video = files
    for given in (
        (video, video, "a.png"),
        (model, "no.mp4", "a.png"),
        (*files, "a.gif"),
    ):
        assert main(["visualize", *given]) == 2
        assert "Received: " in capsys.readouterr().err


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["visualize", "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "example: keras-nonlocal visualize model.keras ball.mp4 ball.png" in printed
