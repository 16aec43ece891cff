"""Conversion of decoded frames to scaled RGB pictures and to the crops of a clip."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from keras_nonlocal.data.framing import Framing
from keras_nonlocal.data.readers.container import MOST_PIXELS
from keras_nonlocal.data.readers.display_matrix import orientation_of
from keras_nonlocal.data.readers.video_reader import VideoError
from keras_nonlocal.optional_packages import import_av


class PictureConverter:
    """Scales and converts frames in one step, and keeps the tables for the next frame.

    Args:
        path: Name of the video in errors.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._reformatter = import_av().video.reformatter.VideoReformatter()

    def upright(self, frame: Any, framing: Framing, aspect: float = 1.0) -> np.ndarray:
        """Returns the scaled and upright picture.

        Args:
            frame: A decoded `av.VideoFrame`, which may have a display matrix.
            framing: Determines the scale.
            aspect: Ratio of a pixel's width to its height.

        Returns:
            RGB bytes, shape `(scaled_height, scaled_width, 3)`.

        Raises:
            VideoError: If the picture is so long and narrow that its scaled size would
                be huge.
        """
        orientation = orientation_of(frame)
        size = (frame.height, frame.width * aspect)
        if orientation.swaps_axes:
            width, height = framing.scaled_size(size[1], size[0])
        else:
            height, width = framing.scaled_size(*size)
        if height * width > MOST_PIXELS:
            shape = f"{frame.width}×{frame.height} pixels of {aspect:g}:1"
            raise VideoError(self._path, f"its pictures have no usable shape ({shape})")
        return orientation.apply(self._rgb(frame, height, width))

    def _rgb(self, frame: Any, height: int, width: int) -> np.ndarray:
        scaled = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24",
            interpolation="BILINEAR",
            threads=1,
        )
        plane = scaled.planes[0]
        lines = np.frombuffer(plane, np.uint8)[: height * plane.line_size]
        picture = lines.reshape(height, plane.line_size)[:, : 3 * width]
        return picture.reshape(height, width, 3)


class CropCollector:
    """Collects the crops of frames in one array.

    Args:
        path: Name of the video in errors.
        indices: Indices of the frames in the video, in any shape and order.
        framing: The part of each picture to keep.
    """

    def __init__(self, path: str, indices: np.ndarray, framing: Framing) -> None:
        self._path = path
        self._shape = np.shape(indices)
        self._framing = framing
        self._crops: np.ndarray | None = None
        self._num_stored = 0
        self.wanted, rows = np.unique(indices, return_inverse=True)
        by_row = np.argsort(rows, axis=None, kind="stable")
        limits = np.searchsorted(rows.ravel()[by_row], np.arange(1, len(self.wanted)))
        self._places = np.split(by_row, limits)

    def put(self, row: int, picture: np.ndarray) -> None:
        """Stores the picture of frame `wanted[row]` at all its positions.

        Args:
            row: Index among the wanted frames.
            picture: Shape `(scaled_height, scaled_width, 3)`.

        Raises:
            VideoError: If whole pictures are kept and this one has a different size.
        """
        height, width = self._framing.crop_size or picture.shape[:2]
        size = (len(self._framing.anchors), height, width, 3)
        if self._crops is None:
            self._crops = np.empty((np.prod(self._shape, dtype=int), *size), np.uint8)
        check_size(self._path, size, self._crops.shape[1:])
        self._num_stored += 1
        first, *others = self._places[row]
        self._framing.cut(picture, self._crops[first])
        for place in others:
            self._crops[place] = self._crops[first]

    def crops(self) -> np.ndarray:
        """Returns RGB bytes.

        The shape is `(*indices.shape, num_crops, crop_height, crop_width, 3)`.
        """
        if self._crops is None:
            return np.empty((*self._shape, 0), np.uint8)
        return self._crops.reshape(*self._shape, *self._crops.shape[1:])

    @property
    def is_complete(self) -> bool:
        """Whether all pictures are stored."""
        return self._num_stored == len(self.wanted)


def clips_of_pictures(
    path: str,
    indices: np.ndarray,
    framing: Framing,
    pictures: Iterable[tuple[int, np.ndarray]],
) -> Iterator[np.ndarray]:
    """Yields clip after clip, each as soon as it and those before it are complete.

    Args:
        path: Name of the video in errors.
        indices: Indices of the frames in the video, shape `(num_clips, num_frames)`.
        framing: The part of each picture to keep.
        pictures: Index and picture of each wanted frame, once each and preferably
            ascending. The pictures have the shape
            `(scaled_height, scaled_width, 3)`.

    Yields:
        RGB bytes, shape `(num_frames, num_crops, crop_height, crop_width, 3)`.

    Raises:
        VideoError: If whole pictures are kept and one has a different size.
    """
    waiting = deque(CropCollector(path, clip, framing) for clip in indices)
    rows: dict[int, list[tuple[CropCollector, int]]] = {}
    for collector in waiting:
        for row, index in enumerate(collector.wanted.tolist()):
            rows.setdefault(index, []).append((collector, row))
    size = None
    for index, picture in pictures:
        if framing.crop_size is None:
            size = size or picture.shape
            check_size(path, picture.shape, size)
        for collector, row in rows.pop(index):
            collector.put(row, picture)
        while waiting and waiting[0].is_complete:
            yield waiting.popleft().crops()


def check_size(path: str, size: tuple[int, ...], known: tuple[int, ...]) -> None:
    """Checks that a picture has the same size as others of its video.

    Raises:
        VideoError: If it has a different one.
    """
    if size != known:
        raise VideoError(path, "its pictures change their shape")
