"""From an open video to the clips of one epoch, and from a path to an open video."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from keras_nonlocal.data.readers import (
    OpenVideo,
    TimelineChangedError,
    VideoError,
    VideoReader,
)
from keras_nonlocal.data.sampling import ClipSampler
from keras_nonlocal.data.sources import VideoList
from keras_nonlocal.data.transforms import FramingSampler

Segment = tuple[float, float]


class LoadedClips(NamedTuple):
    """The clips of a video as they are in an epoch.

    Args:
        pixels: RGB bytes, shape `(num_frames, height, width, 3)`, or with views
            `(num_views, num_frames, height, width, 3)`.
        times: Presentation time of each frame in seconds, shape `(num_frames,)` or
            `(num_views, num_frames)`.
        is_mirrored: Whether left and right changed places.
    """

    pixels: np.ndarray
    times: np.ndarray
    is_mirrored: np.bool_


@dataclass(frozen=True)
class ViewSampler:
    """Takes clips out of open videos.

    What is drawn at random depends on the seed, the epoch and the index of the video
    alone: the order and the number of threads make no difference.

    Args:
        clips: Chooses the frames.
        framings: Chooses the part of the picture.
        seed: Seed of the random choices; `None` makes none.
    """

    clips: ClipSampler
    framings: FramingSampler
    seed: int | None = None

    @property
    def num_views(self) -> int | None:
        """Clips per video with their crops; `None`: one clip without an axis."""
        num_clips, num_crops = self.clips.num_clips, self.framings.num_crops
        if num_clips is None and num_crops is None:
            return None
        return (num_clips or 1) * (num_crops or 1)

    @property
    def times_shape(self) -> tuple[int, ...]:
        """Shape of the times of the frames."""
        clip = (self.clips.num_frames,)
        return clip if self.num_views is None else (self.num_views, *clip)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the pixels."""
        return (*self.times_shape, *self.framings.crop_size, 3)

    def nothing(self) -> LoadedClips:
        """Returns what stands for a video that cannot be read."""
        return LoadedClips(
            np.zeros(self.shape, np.uint8), np.zeros(self.times_shape), np.False_
        )

    def load(
        self,
        open_video: Callable[[], AbstractContextManager[VideoReader]],
        path: str,
        index: int,
        epoch: int,
        segment: Segment | None = None,
    ) -> LoadedClips:
        """Opens a video and returns its clips.

        Args:
            open_video: Opens it.
            path: What errors call the video.
            index: Number of the video, for what is drawn at random.
            epoch: Number of the epoch, likewise.
            segment: Begin and end in seconds of the part that is used; `None`: all.

        Raises:
            VideoError: If it cannot be read; its `segment` is that of the call.
        """
        try:
            with open_video() as video:
                try:
                    return self._take(video, path, index, epoch, segment)
                except TimelineChangedError:
                    return self._take(video, path, index, epoch, segment)
        except VideoError as error:
            error.segment = segment
            raise

    def _take(
        self,
        video: VideoReader,
        path: str,
        index: int,
        epoch: int,
        segment: Segment | None,
    ) -> LoadedClips:
        rng = None
        if self.seed is not None:
            rng = np.random.default_rng((self.seed, epoch, index))
        framing = self.framings.framing(rng)
        times = video.times
        frames = _frames_of_segment(times, segment, path)
        chosen = frames[self.clips.frame_indices(times[frames], rng)]
        pixels = video.read(chosen, framing)
        # (clips, frames, crops, …) -> (views, frames, …)
        pixels = np.moveaxis(pixels, 2, 1)
        pixels = pixels.reshape((*self.times_shape, *pixels.shape[-3:]))
        times = times[chosen].repeat(len(framing.anchors), axis=0)
        return LoadedClips(
            pixels,
            times.reshape(self.times_shape).astype(np.float64),
            np.bool_(framing.flip),
        )


class ClipLoader:
    """Loads the clips of the videos of a list.

    Args:
        videos: The videos.
        open_video: Opens one of them.
        clips: Chooses the frames.
        framings: Chooses the part of the picture.
        seed: Seed of the random choices; `None` makes none.
    """

    def __init__(
        self,
        videos: VideoList,
        open_video: OpenVideo,
        clips: ClipSampler,
        framings: FramingSampler,
        seed: int | None = None,
    ) -> None:
        self.videos = videos
        self.views = ViewSampler(clips, framings, seed)
        self._open_video = open_video

    def load(self, index: int, epoch: int = 0) -> np.ndarray:
        """Returns the pixels of the clips of video `index` in an epoch."""
        return self.load_with_times(index, epoch).pixels

    def load_with_times(self, index: int, epoch: int = 0) -> LoadedClips:
        """Returns the clips of video `index` in an epoch."""
        path = self.videos.paths[index]
        segment = self.videos.segments[index] if self.videos.segments else None
        return self.views.load(
            lambda: self._open_video(path), path, index, epoch, segment
        )


def _frames_of_segment(
    times: np.ndarray, segment: Segment | None, path: str
) -> np.ndarray:
    if segment is None:
        return np.arange(len(times))
    begin, end = segment
    frames = np.flatnonzero((times >= begin) & (times < end))
    if not len(frames):
        raise VideoError(path, f"it has no frames from {begin} s to {end} s")
    return frames
