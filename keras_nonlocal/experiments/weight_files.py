"""Weights of networks in NumPy files, by the paths of the variables."""

from pathlib import Path

import keras
import numpy as np

from keras_nonlocal.files import replacing


def save_weights(path: Path, model: keras.Model) -> None:
    """Writes the variables of a model to a file, completely or not at all."""
    values = {
        variable.path: keras.ops.convert_to_numpy(variable)
        for variable in model.variables
        if "seed_generator" not in variable.path
    }
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **values)


def load_weights(path: Path, model: keras.Model) -> None:
    """Reads the variables of a model from a file.

    Raises:
        ValueError: If the file is of a different network.
    """
    variables = {
        variable.path: variable
        for variable in model.variables
        if "seed_generator" not in variable.path
    }
    with np.load(path) as values:
        if {*values} != variables.keys():
            different = sorted({*values} ^ variables.keys())
            raise ValueError(
                "The file must hold the variables of the network. "
                f"Received: {path} with differences in {different[:3]}"
            )
        for name, variable in variables.items():
            variable.assign(values[name])
