"""The model file as an argument of commands."""

import argparse
import os
import zipfile
from pathlib import Path
from typing import Any

from keras_nonlocal.optional_packages import can_import_openvino
from keras_nonlocal.runs.class_names import CLASS_NAMES_FILE
from keras_nonlocal.runs.grouped_settings import CONFIG_FILE


def add_model_argument(command: argparse.ArgumentParser, writer: str = "train") -> None:
    """Adds the argument for the model, with the command that writes such files."""
    command.add_argument(
        "model",
        metavar="MODEL",
        help=f"a `.keras` file, such as the one that `{writer}` writes",
    )


def add_scoring_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the argument for the model, which may be exported, and its precision."""
    command.add_argument(
        "model",
        metavar="MODEL",
        help="a `.keras` file, such as the one that `train` writes, or what `export` "
        "writes: an .xml (OpenVINO), .onnx or .tflite file or a folder",
    )
    command.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        help="type in which OpenVINO computes; bfloat16 is faster on processors with "
        "units for it (default: float32)",
    )


def files_of_model(options: argparse.Namespace) -> list[str]:
    """Returns the files from which a command reads a model and what belongs to it."""
    beside = (CLASS_NAMES_FILE, CONFIG_FILE)
    given = [options.model, *([options.class_names] if options.class_names else [])]
    return given + [str(Path(options.model).with_name(name)) for name in beside]


def load_model_file(path: str) -> Any:
    """Loads the model of a `.keras` file without its optimizer.

    Raises:
        ValueError: If the file does not exist or does not contain a model.
    """
    if os.path.isdir(path):
        raise ValueError(
            "The model must be a file, such as the `model.keras` of a finished run. "
            f"Received: {path!r}, a folder"
        )
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
        # Zip, HDF5 and JSON have different errors.
        raise ValueError(
            f"The model could not be loaded: {error}. Received: {path!r}"
        ) from error


def load_classifier_file(path: str) -> Any:
    """Loads a model that scores clips; see `load_model_file`.

    Raises:
        ValueError: If the file does not exist or does not contain such a model.
    """
    return as_classifier(load_model_file(path))


def load_scoring_file(options: argparse.Namespace) -> Any:
    """Loads the model of `add_scoring_arguments`, a `.keras` or an exported file.

    Raises:
        ImportError: If the runtime of an exported file is not installed.
        ValueError: If the file does not exist or does not score clips.
    """
    from keras_nonlocal.inference.exported.model_files import (
        find_exported_file,
        is_exported,
    )

    if not os.path.exists(options.model):
        raise ValueError(
            "The model must be a `.keras` file that exists, or an exported file or "
            f"folder. Received: {options.model!r}"
        )
    if not is_exported(options.model):
        if options.precision is not None:
            raise ValueError(
                "`precision` is for OpenVINO files; a `.keras` file has a precision of "
                f"its own. Received: precision={options.precision!r} with "
                f"{options.model!r}"
            )
        return load_classifier_file(options.model)
    _, format = find_exported_file(options.model)
    if format != "saved_model" and can_import_openvino():
        # Keras computes nothing here, and TensorFlow takes seconds to import.
        os.environ.setdefault("KERAS_BACKEND", "openvino")
    from keras_nonlocal.inference import ExportedModel

    return ExportedModel(options.model, precision=options.precision or "float32")


def load_detector_file(path: str) -> Any:
    """Loads a detector; see `load_model_file`.

    Raises:
        ValueError: If the file does not exist or does not contain a detector.
    """
    model = load_model_file(path)
    from keras_nonlocal.detection import RegionModel

    if not isinstance(model, RegionModel):
        raise ValueError(
            "The model must be a detector, as `train-coco` writes it. "
            f"Received: {path!r}, a model of another kind"
        )
    return model


def as_classifier(model: Any) -> Any:
    """Returns the model from clips to scores, or says that it is none."""
    from keras_nonlocal.detection import RegionModel
    from keras_nonlocal.models.clip_model import clip_model

    if isinstance(model, RegionModel):
        raise ValueError(
            "The model must score clips or pictures; `keras-nonlocal detect` uses "
            "detectors. Received: a detector"
        )
    return clip_model(model).model
