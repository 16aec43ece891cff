"""Chooses the reader of a video by its path."""

from collections.abc import Sequence

from keras_nonlocal import files
from keras_nonlocal.data.lists.video_search import RECORD_EXTENSION
from keras_nonlocal.data.readers.pyav import PyAVReader
from keras_nonlocal.data.readers.stored_frames import FrameFolderReader
from keras_nonlocal.data.readers.video_reader import OpenVideo
from keras_nonlocal.data.records.record_file import RecordReader


def open_any_video(path: str) -> PyAVReader | FrameFolderReader | RecordReader:
    """Opens a video file, a folder of pictures or a record, as an `open_video`.

    Raises:
        VideoError: If the path names none of them.
    """
    if path.lower().endswith(RECORD_EXTENSION):
        return RecordReader(path)
    if files.is_directory(path):
        return FrameFolderReader(path)
    return PyAVReader(path)


def reader_of_list(paths: Sequence[str]) -> OpenVideo:
    """Returns the `open_video` for a list of files: `RecordReader` for records alone.

    Datasets of `tf.data` recognize this class and decode without Python.
    """
    are_records = [path.lower().endswith(RECORD_EXTENSION) for path in paths]
    if not any(are_records):
        return PyAVReader
    return RecordReader if all(are_records) else open_any_video
