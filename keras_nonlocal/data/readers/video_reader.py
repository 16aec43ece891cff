"""The interface between the pipeline and decoders, for custom readers."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeGuard

import numpy as np

from keras_nonlocal.data.framing import Framing
from keras_nonlocal.data.readers.read_error import ReadError


class VideoReader(Protocol):
    """Random access to the frames of one open video.

    Functions that score videos also call `read_clips(indices, framing)`, if the class
    has it: a generator of the clips of `read`, of shape
    `(num_frames, num_crops, crop_height, crop_width, 3)`, for indices of shape
    `(num_clips, num_frames)`. The first clips are then scored while the next ones are
    decoded. A subclass or an object that changes `read` alone is
    read by `read`.
    """

    @property
    def times(self) -> np.ndarray:
        """Presentation times in seconds, ascending, shape `(frames_in_video,)`."""

    def read(self, indices: np.ndarray, framing: Framing) -> np.ndarray:
        """Returns RGB bytes of the scaled and cropped frames at `indices`.

        The shape is `(*indices.shape, num_crops, crop_height, crop_width, 3)`.
        """


class ClipReader(VideoReader, Protocol):
    """A reader that has the first clips of a video before it has decoded the last."""

    def read_clips(self, indices: np.ndarray, framing: Framing) -> Iterator[np.ndarray]:
        """Yields the clips of `read(indices, framing)`, in order.

        Args:
            indices: Indices in presentation order, shape `(num_clips, num_frames)`.
            framing: The part of each picture to keep.

        Yields:
            RGB bytes, shape `(num_frames, num_crops, crop_height, crop_width, 3)`.
        """


def is_clip_reader(video: VideoReader) -> TypeGuard[ClipReader]:
    """Whether a reader yields clip by clip what its own `read` returns."""
    own = getattr(video, "__dict__", {})
    for names in (own, *map(vars, type(video).__mro__)):
        if "read_clips" in names:
            return True
        # A subclass, or an object, may return something else.
        if "read" in names:
            return False
    return False


OpenVideo = Callable[[str], AbstractContextManager[VideoReader]]


class VideoError(ReadError):
    """Raised if a video cannot be read. The message names the file and the reason.

    Args:
        path: The file.
        reason: Why it cannot be read.
        segment: Begin and end in seconds of the requested part, or `None` for the whole
            video.
    """

    medium = "video"


class TimelineChangedError(VideoError):
    """Raised if the frames of a video differ from those that it declares."""

    def __init__(
        self,
        path: str,
        reason: str = "its frames are misnumbered",
        segment: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(path, reason, segment)


@contextmanager
def errors_named(
    path: str, segment: tuple[float, float] | None = None
) -> Iterator[None]:
    """Turns every error of a reader into one that names the video.

    Args:
        path: The file.
        segment: Begin and end in seconds of the requested part, or `None` for the whole
            video.

    Raises:
        VideoError: If the code inside raises any `Exception`.
        ImportError: If a package is missing, which is not an error of the video.
    """
    try:
        yield
    except VideoError as error:
        error.segment = segment
        raise
    except ImportError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        raise VideoError(path, reason, segment) from error
