"""Imports of the packages that only the video pipeline needs."""

import importlib
from types import ModuleType


def import_av() -> ModuleType:
    """Returns PyAV, which decodes the videos."""
    return _import("av", "PyAV is needed to read video files: `pip install av`.")


def import_tensorflow() -> ModuleType:
    """Returns TensorFlow, whose `tf.data` runs the pipeline."""
    return _import(
        "tensorflow",
        "TensorFlow is needed for `tf.data` datasets of video clips: "
        "`pip install tensorflow`.",
    )


def import_tensorflow_datasets() -> ModuleType:
    """Returns TensorFlow Datasets, which stores and reads data sets."""
    return _import(
        "tensorflow_datasets",
        "TensorFlow Datasets is needed to read from its builders: "
        "`pip install tensorflow-datasets`.",
    )


def _import(name: str, message: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ImportError(message) from None
