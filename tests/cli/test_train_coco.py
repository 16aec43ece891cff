"""Training and evaluating a detector from the command line."""

import json

import keras
import pytest

from keras_nonlocal.cli import main
from tests.runs.detectors.annotated_shapes import small_settings, write_shapes

pytestmark = [
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="it trains in TensorFlow"
    ),
    pytest.mark.slow,
    pytest.mark.usefixtures("shallow_networks"),
]


@pytest.fixture
def config(tmp_path):
    """The settings of a run, as its folder would hold them."""
    write_shapes(tmp_path / "train", 4, seed=1)
    write_shapes(tmp_path / "test", 3, seed=2)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"settings": small_settings(tmp_path).to_dict()}))
    return path


def test_a_detector_is_trained_evaluated_and_used(config, tmp_path, capsys):
    arguments = ["train-coco", "--settings", config, "--epochs", "1", "--json"]
    assert main([*map(str, arguments)]) == 0
    trained = json.loads(capsys.readouterr().out)
    assert trained["plan"]["updates"] == 2
    assert trained["class_names"] == ["wide", "high"]
    assert len(trained["history"]["mask_loss"]) == 1

    model = str(tmp_path / "run" / "model.keras")
    loaded = keras.saving.load_model(model, compile=False)
    assert loaded.picture_sides == (64, 64)
    assert (loaded.class_names, loaded.category_ids) == (("wide", "high"), (2, 7))
    found = tmp_path / "found.json"
    arguments = [model, tmp_path / "test" / "annotations.json", "--detections-file"]
    assert main(["evaluate-coco", *map(str, arguments), str(found)]) == 0
    printed = capsys.readouterr().out
    assert "| class | objects | box AP | mask AP |" in printed
    # At the sides of the training, the figures are those of the run's test.
    assert f"box: AP {trained['test']['box']['AP']:.4f}, " in printed
    assert {entry["image_id"] for entry in json.loads(found.read_text())} <= {0, 1, 2}

    arguments = [*map(str, arguments[:2]), "--no-masks", "--json"]
    assert main(["evaluate-coco", *arguments]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["box"] == trained["test"]["box"]
    assert "mask" not in figures

    assert main(["detect", model, str(tmp_path / "test" / "0.png"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["pictures"]) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "ANNOTATIONS must be a JSON file in COCO's format. Received: none"),
        (["missing.json"], "missing.json"),
        (["a.json", "--short-side", "9", "8"], "--short-side"),
        (["a.json", "--batch-size", "0"], "`--batch-size` must be at least 1"),
    ],
)
def test_errors_name_options(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text('{"images": [], "annotations": []}')
    assert main(["train-coco", *options]) == 2
    assert message in capsys.readouterr().err
