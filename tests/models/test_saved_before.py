"""A model file of an earlier layout of the package."""

from pathlib import Path

import keras
import numpy as np

import keras_nonlocal

FOLDER = Path(__file__).parents[1] / "saved_models"


def test_a_file_from_before_the_modules_moved_gives_the_same_scores():
    model = keras.saving.load_model(FOLDER / "before_the_move.keras")
    kept = np.load(FOLDER / "before_the_move.npz")
    scores = model.predict(kept["clips"].astype("float32"), verbose=0)
    np.testing.assert_allclose(scores, kept["scores"], atol=1e-5)
    assert type(model).__name__ == "ReplicatedModel"
    assert any(
        isinstance(layer, keras_nonlocal.layers.NonLocalBlock) for layer in model.layers
    )
