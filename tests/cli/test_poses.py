"""Keypoint detectors from the command line."""

import json

import keras
import pytest

from keras_nonlocal.cli import main
from tests.detection.figures import NAMES, write_figures
from tests.runs.detectors.annotated_shapes import small_settings

pytestmark = [
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="it trains in TensorFlow"
    ),
    pytest.mark.slow,
]


@pytest.fixture
def config(tmp_path):
    """The settings of a run, as its folder would hold them."""
    write_figures(tmp_path / "train", 4, seed=1)
    write_figures(tmp_path / "test", 3, seed=2)
    settings = small_settings(tmp_path)
    changes = dict(settings.network.recipe_changes)
    changes["heads"] = dict(changes["heads"]) | {
        "keypoint_channels": 8,
        "keypoint_convolutions": 2,
    }
    settings = settings.replace(recipe_changes=changes, head_nonlocal_blocks=1)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"settings": settings.to_dict()}))
    return path


@pytest.mark.thorough
def test_a_keypoint_detector_is_trained_evaluated_and_used(config, tmp_path, capsys):
    sigmas = ("--oks-sigmas", "0.05", "0.1", "0.1")
    arguments = ["train-coco", "--settings", config, "--epochs", "1", "--keypoints"]
    assert main([*map(str, arguments), *sigmas, "--json"]) == 0
    trained = json.loads(capsys.readouterr().out)
    assert len(trained["history"]["keypoint_loss"]) == 1
    assert "mask_loss" not in trained["history"]
    assert {"AP", "AP50", "ARl"} < {*trained["test"]["keypoints"]}

    model = str(tmp_path / "run" / "model.keras")
    loaded = keras.saving.load_model(model, compile=False)
    assert loaded.keypoints.names == tuple(NAMES)
    assert loaded.keypoints.flip_pairs == ((1, 2),)
    assert loaded.keypoints.skeleton == ((0, 1), (0, 2))
    assert loaded.keypoints.oks_sigmas == (0.05, 0.1, 0.1)
    assert loaded.recipe.proposals.box_beta == 1 / 9
    assert loaded.recipe.keypoints.min_visible == 21
    found = tmp_path / "found.json"
    arguments = [model, tmp_path / "test" / "annotations.json", "--detections-file"]
    # The deviations are those of the model.
    assert main(["evaluate-coco", *map(str, arguments), str(found)]) == 0
    printed = capsys.readouterr().out
    assert "| class | objects | box AP | keypoints AP |" in printed
    ap = trained["test"]["keypoints"]["AP"]
    assert f"keypoints: AP {ap:.4f}, " in printed

    picture = tmp_path / "test" / "0.png"
    arguments = ["detect", model, str(picture), "--min-score", "0"]
    drawn = tmp_path / "drawn"
    assert main([*arguments, "--json", "--output", str(drawn)]) == 0
    (row,) = json.loads(capsys.readouterr().out)["pictures"]
    for entry in row["objects"]:
        assert [point["name"] for point in entry["keypoints"]] == NAMES
        x1, y1, x2, y2 = entry["box"]
        for point in entry["keypoints"]:
            assert x1 - 0.02 <= point["x"] <= max(x2, x1 + 1) + 0.02
            assert y1 - 0.02 <= point["y"] <= max(y2, y1 + 1) + 0.02
            assert 0 <= point["score"] <= 1
    assert (drawn / "0.png").stat().st_size > 1000
    if row["objects"]:
        assert main(arguments) == 0
        assert "  left hand  " in capsys.readouterr().out


def test_figures_of_unknown_keypoints_need_deviations(config, capsys):
    arguments = ["train-coco", "--settings", str(config), "--keypoints"]
    assert main(arguments) == 2
    assert "`--oks-sigmas` must be given" in capsys.readouterr().err


@pytest.mark.thorough
def test_summary_of_keypoint_detectors_is_exact(capsys):
    assert main(["summary", "--task", "detection", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["keypoint_networks"]
    counts = {
        (row["depth"], row["head_nonlocal_blocks"], row["nonlocal_blocks"]): (
            row["parameters"],
            row["multiply_adds"],
        )
        for row in rows
    }
    assert counts[101, 0, 0] == (78_073_062, 626_512_983_040)
    assert counts[101, 4, 0] == (80_179_430, 675_484_759_040)
    assert counts[101, 4, 1] == (82_281_190, 684_823_639_040)
    assert {depth for depth, *_ in counts} == {50, 101}
