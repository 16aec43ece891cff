"""Loads the clips of the videos of a list."""

from collections.abc import Generator
from typing import Protocol, runtime_checkable

import numpy as np

from keras_nonlocal.data.datasets.loading import (
    LoadedClips,
    Segment,
    SomeViews,
    ViewSampler,
)
from keras_nonlocal.data.lists.video_list import VideoList
from keras_nonlocal.data.readers.video_reader import OpenVideo


class Loader(Protocol):
    """Loads the clips of the videos of a list.

    Attributes:
        videos: The videos.
        in_order: Whether it expects the videos in the order of the epochs.
    """

    videos: VideoList
    in_order: bool

    def load_with_times(self, index: int, epoch: int = 0) -> LoadedClips:
        """Returns the clips of video `index` in an epoch."""
        ...


@runtime_checkable
class ClosableLoader(Loader, Protocol):
    """A loader that holds processes."""

    def close(self) -> None:
        """Ends the processes, until clips are asked for again."""
        ...


class ClipLoader:
    """Loads the clips of the videos of a list, in any order.

    Args:
        videos: The videos.
        open_video: Opens a video.
        views: Reads the clips from an open video.
    """

    in_order = False

    def __init__(
        self, videos: VideoList, open_video: OpenVideo, views: ViewSampler
    ) -> None:
        self.videos = videos
        self.views = views
        self.open_video = open_video

    def load(self, index: int, epoch: int = 0) -> np.ndarray:
        """Returns the pixels of the clips of video `index` in an epoch."""
        return self.load_with_times(index, epoch).pixels

    def load_with_times(self, index: int, epoch: int = 0) -> LoadedClips:
        """Returns the clips of video `index` in an epoch."""
        path, segment = self._place(index)
        return self.views.load(
            lambda: self.open_video(path), path, index, epoch, segment
        )

    def load_views(self, index: int) -> Generator[SomeViews]:
        """Yields the pixels of the clips of video `index`, as they are decoded."""
        path, segment = self._place(index)
        return self.views.load_views(
            lambda: self.open_video(path), path, index, segment
        )

    def _place(self, index: int) -> tuple[str, Segment | None]:
        segments = self.videos.segments
        return self.videos.paths[index], segments[index] if segments else None
