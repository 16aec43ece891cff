"""`FrameReader`: reads clips from the single pictures of a video."""

import abc
from collections.abc import Iterator
from typing import Self

import numpy as np

from keras_nonlocal.data.framing import Framing
from keras_nonlocal.data.readers.crops import CropCollector, clips_of_pictures


class FrameReader(abc.ABC):
    """Random access to the frames of one video.

    Args:
        path: Name of the video in errors.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @abc.abstractmethod
    def close(self) -> None:
        """Releases the file and the decoder."""

    @property
    @abc.abstractmethod
    def times(self) -> np.ndarray:
        """Presentation times in seconds, ascending, shape `(frames_in_video,)`."""

    @abc.abstractmethod
    def _pictures(
        self, indices: list[int], framing: Framing
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yields the index and the scaled and upright picture of frames.

        Args:
            indices: Ascending indices in presentation order.
            framing: Determines the scale. Pictures are not cropped.
        """

    def read(self, indices: np.ndarray, framing: Framing) -> np.ndarray:
        """Decodes, scales and crops frames.

        Args:
            indices: Indices in presentation order, in any shape and order.
            framing: The part of each picture to keep.

        Returns:
            RGB bytes, shape `(*indices.shape, num_crops, crop_height, crop_width, 3)`.

        Raises:
            VideoError: If a frame cannot be decoded.
            TimelineChangedError: If the frames of a file differ from those that its
                packets declare. Afterwards, `times` is correct.
        """
        collector = CropCollector(self._path, indices, framing)
        rows = {index: row for row, index in enumerate(collector.wanted.tolist())}
        for index, picture in self._pictures([*rows], framing):
            collector.put(rows[index], picture)
        return collector.crops()

    def read_clips(self, indices: np.ndarray, framing: Framing) -> Iterator[np.ndarray]:
        """Decodes clip after clip, and each frame once.

        Args:
            indices: Indices in presentation order, shape `(num_clips, num_frames)`.
            framing: The part of each picture to keep.

        Yields:
            RGB bytes, shape `(num_frames, num_crops, crop_height, crop_width, 3)`, as
            soon as the clip and those before it are decoded.

        Raises:
            VideoError: If a frame cannot be decoded.
            TimelineChangedError: As in `read`. The clips before it are void.
        """
        pictures = self._pictures(np.unique(indices).tolist(), framing)
        yield from clips_of_pictures(self._path, indices, framing, pictures)
