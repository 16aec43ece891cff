"""A saved model as an argument of commands."""

import argparse
import os
import zipfile
from typing import Any


def add_model_argument(command: argparse.ArgumentParser) -> None:
    """Adds the position of the model."""
    command.add_argument(
        "model", metavar="MODEL", help="a `.keras` file, such as `train` writes"
    )


def load_model_file(path: str) -> Any:
    """The model of a `.keras` file, without its optimizer.

    Raises:
        ValueError: If there is no such file or it holds no model.
    """
    if not os.path.isfile(path) or not path.endswith(".keras"):
        raise ValueError(
            f"The model must be a `.keras` file that exists. Received: {path!r}"
        )
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"The model must be a `.keras` file, which is a zip. Received: {path!r}"
        )
    import keras

    import keras_nonlocal  # noqa: F401 - registers its layers

    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:
        # Zip, HDF5 and JSON have errors of their own.
        raise ValueError(
            f"The model could not be loaded: {error}. Received: {path!r}"
        ) from error


def load_classifier_file(path: str) -> Any:
    """As `load_model_file`, a model from clips to scores.

    Raises:
        ValueError: If there is no such file, or it holds something else.
    """
    from keras_nonlocal.models.clip_shape import clip_shape, num_classes

    model = load_model_file(path)
    clip_shape(model)
    num_classes(model)
    return model
