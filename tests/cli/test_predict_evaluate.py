"""`keras-nonlocal predict` and `keras-nonlocal evaluate`."""

import json
import zipfile

import keras
import numpy as np
import pytest

from keras_nonlocal import predict_video
from keras_nonlocal.cli import main
from tests.cli.test_json_output import refuse
from tests.data.videos import moving_pictures, write_video
from tests.inference.test_predicting import small

VIEWS = ["--num-clips", "2", "--num-crops", "1", "--frame-stride", "2"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model of five classes and a video of each."""
    for index, name in enumerate("abcde"):
        (tmp_path / "videos" / name).mkdir(parents=True)
        write_video(
            tmp_path / "videos" / name / "x.mp4",
            moving_pictures(9, 48, 64, seed=index),
        )
    small().save(tmp_path / "model.keras")
    (tmp_path / "names.txt").write_text("a\nb\nc\nd\ne\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def expected_scores(paths):
    from keras_nonlocal.cli.options.model_file import load_model_file

    return predict_video(load_model_file("model.keras"), paths, 2, 1, frame_stride=2)


def test_predict(folder, capsys):
    paths = ["videos/a/x.mp4", "videos/c/x.mp4"]
    command = ["predict", "model.keras", *paths, "--class-names", "names.txt", *VIEWS]
    assert main([*command, "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    scores = expected_scores(paths)
    expected = []
    for path, row in zip(paths, scores, strict=True):
        best = np.argsort(-row)[:2]
        expected += [path, *(f"  {row[i]:.4f}  {'abcde'[i]}" for i in best)]
    assert lines == expected
    assert main([*command, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)["videos"]
    assert [row["path"] for row in printed] == paths
    found = {x["class"]: x["score"] for x in printed[1]["classes"]}
    np.testing.assert_allclose([found[n] for n in "abcde"], scores[1], atol=1e-6)


def test_predict_tells_of_broken_videos(folder, capsys):
    (folder / "broken.mp4").write_bytes(b"no video")
    paths = ["broken.mp4", "missing.mp4", "videos/a/x.mp4"]
    command = ["predict", "model.keras", *paths, *VIEWS]
    assert main(command) == 1
    captured = capsys.readouterr()
    errors = captured.err.splitlines()
    assert [line.split(":")[0] for line in errors] == paths[:2]
    assert captured.out.startswith("videos/a/x.mp4\n  0.")
    assert main([*command, "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)["videos"]
    assert [row["path"] for row in rows] == paths
    assert ["error" in row for row in rows] == [True, True, False]
    assert len(rows[2]["classes"]) == 5


def test_evaluate(folder, capsys):
    (folder / "videos" / "b" / "broken.mp4").write_bytes(b"no video")
    command = ["evaluate", "model.keras", "videos", *VIEWS]
    assert main([*command, "--json", "--results-file", "scores.jsonl"]) == 1
    figures = json.loads(capsys.readouterr().out)
    paths = [f"videos/{name}/x.mp4" for name in "abcde"]
    best = expected_scores(paths).argmax(1)
    assert figures["top1"] == np.mean(best == np.arange(5))
    assert figures["top5"] == 1
    assert [row["class"] for row in figures["per_class"]] == [*"abcde"]
    assert [*figures["failures"]] == ["videos/b/broken.mp4"]
    (folder / "videos" / "b" / "broken.mp4").unlink()
    assert main([*command, "--confusion", "--results-file", "scores.jsonl"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("| class | videos | top1 | top5 | average precision |\n")
    assert f"\n5 videos: top-1 {figures['top1']:.4f}, top-5 1.0000, mAP " in printed
    rows = printed[printed.index("| |") :].splitlines()[2:7]
    for row, column in zip(rows, best, strict=True):
        assert row.split("|")[2 + column].strip() == "1"


def test_evaluate_a_list(folder, capsys):
    (folder / "list.csv").write_text("a/x.mp4 0\nb/x.mp4 1 4\n")
    command = ["evaluate", "model.keras", "list.csv", "--root", "videos", *VIEWS]
    assert main([*command, "--list-format", "path-labels"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("| class | videos | average precision |\n")
    assert "\n2 videos: mAP " in printed
    assert main([*command, "--list-format", "path-labels", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert printed["per_class"][1]["average_precision"] is not None
    assert printed["per_class"][2]["average_precision"] is None


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["predict", "no.keras", "x.mp4"], "must be a `.keras` file that exists"),
        (["predict", "names.txt", "x.mp4"], "must be a `.keras` file that exists"),
        (["evaluate", "model.keras", "no"], "The videos must be a directory"),
        (
            ["predict", "model.keras", "x.mp4", "--class-names", "two.txt"],
            "must have the 5 classes of the model. Received: 2 names in 'two.txt'",
        ),
        (["predict", "broken.keras", "x.mp4"], "a `.keras` file, which is a zip."),
        (["predict", "hollow.keras", "x.mp4"], "The model could not be loaded: "),
    ],
)
def test_errors_are_one_line(folder, capsys, command, message):
    (folder / "two.txt").write_text("a\nb\n")
    (folder / "broken.keras").write_bytes(b"no archive")
    zipfile.ZipFile(folder / "hollow.keras", "w").close()
    assert main(command) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1


def models_of_other_shapes(folder):
    clips = keras.Input((4, 32, 32, 3))
    pooled = keras.layers.GlobalAveragePooling3D()(clips)
    scores = [keras.layers.Dense(5)(pooled) for _ in range(2)]
    keras.Model(clips, scores).save(folder / "two_outputs.keras")
    keras.Model(clips, keras.layers.ReLU()(clips)).save(folder / "no_scores.keras")
    vectors = keras.Input((7,))
    outputs = keras.layers.Dense(5)(vectors)
    keras.Model(vectors, outputs).save(folder / "no_clips.keras")
    both = keras.layers.Concatenate()([pooled, vectors])
    keras.Model([clips, vectors], keras.layers.Dense(5)(both)).save(
        folder / "two_inputs.keras"
    )


@pytest.mark.parametrize(
    "command",
    [
        ["predict", "MODEL", "videos/a/x.mp4"],
        ["evaluate", "MODEL", "videos"],
        ["visualize", "MODEL", "videos/a/x.mp4", "a.png", "--kind", "grad-cam"],
        ["export", "MODEL", "serving", "--class-names", "names.txt"],
    ],
)
def test_models_of_other_shapes_are_one_line(folder, capsys, command):
    models_of_other_shapes(folder)
    for model, message in (
        ("two_outputs", "must have one output, scores (batch, classes). Received: "),
        ("no_scores", "with the output shape (None, 4, 32, 32, 3)"),
        ("no_clips", "with the input shape (None, 7)"),
        ("two_inputs", "`model` must have one input"),
    ):
        given = [f"{model}.keras" if word == "MODEL" else word for word in command]
        assert main(given) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert message in captured.err
        assert captured.err.count("\n") == 1


def test_scores_that_are_nan_are_null(folder, capsys):
    model = small()
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, np.full_like(bias, np.nan)])
    model.save(folder / "nan.keras")
    command = ["predict", "nan.keras", "videos/a/x.mp4", *VIEWS, "--json"]
    assert main(command) == 0
    printed = capsys.readouterr()
    row = json.loads(printed.out, parse_constant=refuse)["videos"][0]
    assert [best["score"] for best in row["classes"]] == [None] * 5
    assert "the scores of 1 of 1 videos are not finite" in printed.err
    assert main(["evaluate", "nan.keras", "videos", *VIEWS]) == 0
    assert "videos are not finite" in capsys.readouterr().err
    assert main(["evaluate", "model.keras", "videos", *VIEWS]) == 0
    assert "not finite" not in capsys.readouterr().err


def test_names_beside_the_model_are_its_classes(folder, capsys):
    # As `train` writes them; the order of the folders would be another.
    (folder / "class_names.txt").write_text("e\nd\nc\nb\na\n")
    command = ["predict", "model.keras", "videos/a/x.mp4", *VIEWS, "--top", "1"]
    assert main(command) == 0
    best = int(expected_scores("videos/a/x.mp4").argmax())
    assert capsys.readouterr().out.split()[-1] == "edcba"[best]
    assert main(["evaluate", "model.keras", "videos", *VIEWS, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [row["class"] for row in printed["per_class"]] == [*"edcba"]
    (folder / "class_names.txt").write_text("a\nb\n")
    assert main(command) == 2
    message = capsys.readouterr().err
    assert "`--class-names` must have the 5 classes of the model" in message
    assert "Received: 2 names in 'class_names.txt'" in message
    assert main([*command, "--class-names", "names.txt"]) == 0


@pytest.mark.parametrize("content", ['{"options": {"frame_stride": 2}}', "[]", "{"])
def test_the_stride_is_that_of_the_training(folder, capsys, content):
    (folder / "config.json").write_text(content)
    command = ["predict", "model.keras", "videos/a/x.mp4", *VIEWS[:4], "--json"]
    printed = []
    for more in ([], ["--frame-stride", "2"], ["--frame-stride", "8"]):
        assert main([*command, *more]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[1] != printed[2]
    assert printed[0] == (printed[1] if "2" in content else printed[2])
