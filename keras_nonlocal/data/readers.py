"""What the pipeline asks of a decoder, so that others can be plugged in."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np

from keras_nonlocal.data.transforms import Framing


class VideoReader(Protocol):
    """Random access to the frames of one open video."""

    @property
    def times(self) -> np.ndarray:
        """Presentation times in seconds, ascending, shape `(frames_in_video,)`."""

    def read(self, indices: np.ndarray, framing: Framing) -> np.ndarray:
        """Returns RGB bytes of the frames at `indices`, framed.

        The shape is `(*indices.shape, num_crops, crop_height, crop_width, 3)`.
        """


OpenVideo = Callable[[str], AbstractContextManager[VideoReader]]


class VideoError(ValueError):
    """A video that cannot be read; the message names the file and the reason.

    Args:
        path: The file.
        reason: Why it cannot be read.
        segment: Begin and end in seconds of the part that was to be read; `None`: the
            whole video.
    """

    def __init__(
        self, path: str, reason: str, segment: tuple[float, float] | None = None
    ) -> None:
        super().__init__(f"Cannot read the video {path!r}: {reason}.")
        self.path = path
        self.reason = reason
        self.segment = segment

    def __reduce__(self) -> tuple[type["VideoError"], tuple[Any, ...]]:
        return type(self), (self.path, self.reason, self.segment)


class TimelineChangedError(VideoError):
    """A video turned out to have other frames than it announced."""

    def __init__(
        self,
        path: str,
        reason: str = "its frames are misnumbered",
        segment: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(path, reason, segment)
