"""Opens a video file or a folder of frames, whichever a path names."""

from keras_nonlocal import files
from keras_nonlocal.data.readers.pyav import PyAVReader
from keras_nonlocal.data.readers.stored_frames import FrameFolderReader


def open_file_or_frames(path: str) -> PyAVReader | FrameFolderReader:
    """Opens a video file or a folder of JPEG or PNG pictures, as an `open_video`.

    Raises:
        VideoError: If the path names neither.
    """
    if files.is_directory(path):
        return FrameFolderReader(path)
    return PyAVReader(path)
