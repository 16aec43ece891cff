"""The data of a detector's training run."""

import json

import keras
import pytest

from keras_nonlocal.runs.detectors.inputs import inputs_of_pictures
from tests.runs.detectors.annotated_shapes import small_settings, write_shapes

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="it trains in TensorFlow"
)


def changed(path, change):
    held = json.loads(path.read_text())
    change(held)
    path.write_text(json.dumps(held))


def rename(held):
    for category in held["categories"]:
        category["name"] = {"wide": "high", "high": "wide"}[category["name"]]


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("train", lambda held: held["annotations"].clear(), "objects to learn from"),
        (
            "train",
            lambda held: [one.update(iscrowd=1) for one in held["annotations"]],
            "objects to learn from.*Received: 4 pictures",
        ),
        (
            "train",
            lambda held: [one.pop("segmentation") for one in held["annotations"]],
            "at least one object that can be used.*4 × it has no segmentation",
        ),
        ("test", rename, r"`test` must have the categories.*Received: \{2: 'high'"),
    ],
)
def test_what_a_run_cannot_learn_from(part, change, message, tmp_path):
    for name in ("train", "test"):
        write_shapes(tmp_path / name, 4, seed=3)
    settings = small_settings(tmp_path)
    assert inputs_of_pictures(settings).class_names == ("wide", "high")
    changed(tmp_path / part / "annotations.json", change)
    with pytest.raises(ValueError, match=message):
        inputs_of_pictures(settings)
