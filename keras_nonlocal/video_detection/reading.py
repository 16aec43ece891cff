"""The frames of a video, one after the other, at their full size."""

from collections.abc import Iterator

import numpy as np

from keras_nonlocal.data.framing import Framing
from keras_nonlocal.data.readers.pyav import PyAVReader
from keras_nonlocal.data.readers.video_reader import (
    VideoError,
    VideoReader,
    errors_named,
)

# Pictures are only scaled to make their pixels square.
_WHOLE = Framing(short_side=2**30, crop_size=None, enlarge=False)


def whole_frames(
    path: str, reader: VideoReader, indices: np.ndarray
) -> Iterator[tuple[int, np.ndarray]]:
    """Decodes frames in order, each once.

    Args:
        path: Name of the video in errors.
        reader: An open reader.
        indices: Ascending indices of the wanted frames.

    Yields:
        The index of a frame and its RGB bytes as it is shown, `(height, width, 3)`.

    Raises:
        VideoError: If a frame cannot be read, or the pictures change their size.
        TimelineChangedError: If the reader now has other times.
    """
    pictures = _pictures(reader, indices)
    size = None
    for index in indices.tolist():
        with errors_named(path):
            picture = next(pictures)
        if size is not None and picture.shape != size:
            raise VideoError(path, "its pictures change their shape")
        size = picture.shape
        yield index, picture


def _pictures(reader: VideoReader, indices: np.ndarray) -> Iterator[np.ndarray]:
    if isinstance(reader, PyAVReader):
        yield from reader.stream(_WHOLE, indices)
        return
    for index in indices:
        yield reader.read(np.array([index]), _WHOLE)[0, 0]
