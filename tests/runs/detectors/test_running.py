"""Training runs of detectors from Python."""

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_nonlocal.runs import (
    DetectorPlan,
    DetectorSettings,
    run_detector_training,
)
from keras_nonlocal.runs.detectors.inputs import inputs_of_pictures
from keras_nonlocal.runs.folder import RunFolder
from tests.runs.detectors.annotated_shapes import small_settings, write_shapes

pytest.importorskip("tensorflow")
pytestmark = [
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="it trains in TensorFlow"
    ),
    pytest.mark.slow,
]


@pytest.fixture
def settings(tmp_path):
    write_shapes(tmp_path / "train", 9, seed=1)
    write_shapes(tmp_path / "test", 4, seed=2)
    return small_settings(tmp_path)


def weights_of(model):
    return [keras.ops.convert_to_numpy(variable) for variable in model.weights]


class KilledError(Exception):
    """Ends a run as a kill does, without its last words."""


class KillAt(keras.callbacks.Callback):
    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        self.steps -= 1
        if not self.steps:
            raise KilledError


@pytest.mark.thorough
def test_a_run_that_is_killed_ends_as_one_that_is_not(settings, tmp_path):
    lines = []
    whole = run_detector_training(settings, verbose=0, announce=lines.append)
    assert lines[0] == "2 epochs of 9 pictures, 10 updates"
    assert whole.class_names == ("wide", "high")
    assert {"rpn_class_loss", "mask_loss", "pictures_per_second"} <= {*whole.history}
    assert np.isfinite(whole.history["loss"]).all()
    assert DetectorSettings.load(whole.folder) == settings
    assert whole.evaluation.num_pictures == 4

    other = settings.replace(output=tmp_path / "killed", test=None)
    with pytest.raises(KilledError):
        run_detector_training(other, verbose=0, callbacks=[KillAt(4)])
    lines.clear()
    resumed = run_detector_training(other, verbose=0, announce=lines.append)
    assert lines[0] == "2 epochs of 9 pictures, 10 updates; no test pictures"
    assert "is resumed in epoch 1, batch 3" in lines[1]
    for own, expected in zip(
        weights_of(resumed.model), weights_of(whole.model), strict=True
    ):
        np.testing.assert_array_equal(own, expected)
    assert resumed.history["loss"] == whole.history["loss"]
    assert resumed.evaluation is None


def test_other_runs_in_the_same_folder_are_refused(settings):
    inputs = inputs_of_pictures(settings)
    plan = DetectorPlan.of(settings.recipe, inputs)
    RunFolder.of(settings).write_config(settings, inputs, plan)
    with pytest.raises(ValueError, match=r"where `learning_rate` is 0\.02 instead of"):
        run_detector_training(settings.replace(learning_rate=0.1), verbose=0)
    folder = Path(settings.data.annotations).parent
    shutil.rmtree(folder)
    write_shapes(folder, 9, seed=5)
    with pytest.raises(ValueError, match="the hash of the training data"):
        run_detector_training(settings, verbose=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotations": None}, "`annotations` must be a JSON file"),
        ({"recipe_changes": {"anchors": {"size": 3}}}, "`recipe_changes` must name"),
        ({"recipe_changes": {"anchor": {}}}, "`recipe_changes` must name"),
        ({"precision": "float16"}, '"float32" or "bfloat16" without a GPU'),
        ({"weights": "missing.pkl"}, "missing.pkl"),
    ],
)
def test_runs_that_cannot_be(settings, changes, message):
    with pytest.raises((ValueError, OSError), match=message):
        run_detector_training(settings.replace(**changes), verbose=0)
