"""Loads the models that the quickstart saved and compares their scores.

python examples/compare_saved_models.py quickstart_output
"""

import os
import sys
from pathlib import Path

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

import keras
import numpy as np
import tensorflow as tf

import keras_nonlocal  # noqa: F401 - registers the layers with Keras


def main(output: Path) -> None:
    with np.load(output / "scored_clips.npz") as saved:
        clips, expected = saved["clips"], saved["scores"]
    restored = keras.saving.load_model(output / "model.keras")
    served = tf.saved_model.load(str(output / "saved_model" / "1"))
    scores = {
        "model.keras": restored.predict(clips, verbose=0),
        "SavedModel": served.serve(clips.astype(np.float32)).numpy(),
    }
    print(f"Scores of {len(clips)} clips, reloaded in process {os.getpid()}:")
    for name, values in scores.items():
        difference = np.abs(values - expected).max()
        print(f"  {name:12} largest difference from the trained model {difference:.1e}")
        if difference > 1e-4:
            sys.exit(f"{name} does not give the scores of the trained model.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
