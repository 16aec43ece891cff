"""`keras-nonlocal export`."""

import json

import numpy as np
import pytest
import tensorflow as tf

from keras_nonlocal.cli import main
from tests.export.clip_models import random_clips, scores_of, small_network

NAMES = ("clap", "jump", "wave")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    model = small_network()
    folder = tmp_path_factory.mktemp("model")
    model.save(folder / "model.keras")
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in NAMES))
    return model, folder


def test_saved_model(saved, tmp_path, capsys):
    model, folder = saved
    arguments = ["export", str(folder / "model.keras"), str(tmp_path / "serving")]
    names = ["--class-names", str(folder / "labels.txt")]
    assert main([*arguments, *names, "--top", "2", "--num-crops", "3"]) == 0
    version = tmp_path / "serving" / "1"
    assert capsys.readouterr().out == f"written to {version}\n"
    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    clips = random_clips(2, 4, 32, 32, 3)
    answer = served(clips=clips)
    expected = scores_of(model, clips)
    np.testing.assert_allclose(answer["scores"], expected, atol=1e-5)
    best = np.argsort(-expected, axis=-1)[:, :2]
    assert (answer["top_names"].numpy().astype(str) == np.array(NAMES)[best]).all()


def test_json(saved, tmp_path, capsys):
    _, folder = saved
    arguments = ["export", str(folder / "model.keras"), str(tmp_path), "--json"]
    assert main([*arguments, "--model-version", "4", "--no-warm-up"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["folder"] == str(tmp_path / "4")
    assert (printed["version"], printed["format"]) == (4, "saved_model")
    files = printed["files"]
    assert files["saved_model.pb"] == (tmp_path / "4/saved_model.pb").stat().st_size
    assert [name for name in files if name.startswith("assets")] == [
        "assets.extra/keras_nonlocal.json"
    ]
    assert main([*arguments, "--no-fold-batch-norm"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == 5
    variables = [
        len(tf.saved_model.load(str(tmp_path / version)).model_variables)
        for version in ("4", "5")
    ]
    assert variables[1] - variables[0] == 7


def test_options_that_are_not_given_do_not_hinder_other_formats(saved, tmp_path):
    _, folder = saved
    arguments = ["export", str(folder / "model.keras"), str(tmp_path)]
    assert main([*arguments, "--format", "litert"]) == 0
    assert [path.name for path in (tmp_path / "1").iterdir()] == ["model.tflite"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["missing.keras", "serving"],
            "must be a `.keras` file that exists. Received: 'missing",
        ),
        (["MODEL", "serving", "--short-side", "9"], "Received: --short-side=9"),
        (["MODEL", "serving", "--class-names", "TWO"], "2 names in"),
        (["MODEL", "serving", "--activation", "sharp"], "sharp"),
        (
            ["MODEL", "serving", "--activation", "sigmoid"],
            "Received: --activation='sigmoid' for a model that ends in a softmax",
        ),
        (
            ["MODEL", "serving", "--model-version", "-3"],
            "`--model-version` must be a positive integer. Received: "
            "--model-version=-3\n",
        ),
        (["MODEL", "gs://a/b"], "`DIR` must be a local path"),
        (
            ["MODEL", "serving", "--format", "litert", "--num-crops", "3"],
            "Received: --num-crops=3 with --format='litert'",
        ),
        (
            ["MODEL", "serving", "--format", "onnx", "--no-warm-up"],
            "Received: --no-warm-up with --format='onnx'",
        ),
    ],
)
def test_user_errors(arguments, message, saved, tmp_path, capsys, monkeypatch):
    _, folder = saved
    monkeypatch.chdir(tmp_path)
    (tmp_path / "TWO").write_text("clap\nwave\n")
    given = [str(folder / "model.keras") if a == "MODEL" else a for a in arguments]
    assert main(["export", *given]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("keras-nonlocal: ")
    assert message in captured.err
    assert not (tmp_path / "serving").exists()


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["export", "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "example: keras-nonlocal export model.keras serving/gestures" in printed


def test_an_unknown_activation_is_one_sentence(saved, tmp_path, capsys):
    arguments = ["export", str(saved[1] / "model.keras"), str(tmp_path / "serving")]
    assert main([*arguments, "--activation", "softmux"]) == 2
    assert capsys.readouterr().err == (
        "keras-nonlocal: `--activation` must be the name of one of Keras's "
        "activations, such as softmax. Received: --activation='softmux'\n"
    )
