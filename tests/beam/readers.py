"""Readers that note what they open, and of which the first one dies."""

import os
import uuid
from pathlib import Path

import numpy as np

from keras_nonlocal.beam import score_work
from keras_nonlocal.data import PyAVReader


def noting(folder: str, path: str) -> PyAVReader:
    """Leaves a file for each time that a video is opened, whatever the process."""
    name = f"{Path(path).name}-{os.getpid()}-{uuid.uuid4().hex}"
    Path(folder, name).touch()
    return PyAVReader(path)


def dying(mark: str, how: str, path: str) -> PyAVReader:
    """Ends the process or raises at one video, if no other has left its mark yet."""
    if path.endswith("gg.mp4") and _is_first(Path(mark)):
        if how == "exit":
            os._exit(9)
        # Errors of other kinds are errors of the video.
        raise ImportError("the first worker dies")
    return PyAVReader(path)


def _is_first(mark: Path) -> bool:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def counting_models(folder: str, pixels: np.ndarray) -> np.ndarray:
    """Leaves a file for each model that this process has loaded."""
    for model in score_work._LOADED.values():
        Path(folder, f"{os.getpid()}-{id(model)}").touch()
    return pixels / np.float32(255)


def dying_later(folder: str, path: str) -> PyAVReader:
    """Ends the process at the fourth video that opens, once."""
    if len([*Path(folder).glob("*-*")]) >= 3 and _is_first(Path(folder, "died")):
        os._exit(9)
    return noting(folder, path)
