"""A reader whose first worker dies."""

import os
from pathlib import Path

from keras_nonlocal.data import PyAVReader


def open_video(mark: str, how: str, path: str) -> PyAVReader:
    """Ends the process or raises, if no other has left its mark yet."""
    if path.endswith("g.mp4"):
        try:
            Path(mark).touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            if how == "exit":
                os._exit(9)
            # Errors of other kinds are errors of the video.
            raise ImportError("the first worker dies")
    return PyAVReader(path)
