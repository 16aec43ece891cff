"""Opens videos and loads their clips in an epoch."""

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from keras_nonlocal.data.framing import Framing, FramingSampler
from keras_nonlocal.data.random_streams import Purpose, random_stream
from keras_nonlocal.data.readers.video_reader import (
    TimelineChangedError,
    VideoError,
    VideoReader,
    errors_named,
    is_clip_reader,
)
from keras_nonlocal.data.sampling import ClipSampler

Segment = tuple[float, float]


# Fewer pixels are not worth passing on by themselves.
_BYTES_AT_ONCE = 2**20


class LoadedClips(NamedTuple):
    """The clips of a video in an epoch.

    Args:
        pixels: RGB bytes, shape `(num_frames, height, width, 3)`, or with views
            `(num_views, num_frames, height, width, 3)`.
        times: Presentation time of each frame in seconds, shape `(num_frames,)` or
            `(num_views, num_frames)`.
        is_mirrored: Whether the clips are mirrored.
    """

    pixels: np.ndarray
    times: np.ndarray
    is_mirrored: np.bool_


class SomeViews(NamedTuple):
    """Some views of a video.

    Args:
        first: Number of the first one. If it is 0 again, the video begins anew, and
            what came before is void.
        pixels: RGB bytes, shape `(some_views, num_frames, height, width, 3)`.
    """

    first: int
    pixels: np.ndarray


class Choice(NamedTuple):
    """The part of a video that becomes its clips.

    Args:
        frames: Indices of the frames, shape `(num_clips, num_frames)`.
        times: Presentation time of each frame in seconds, in the shape of
            `LoadedClips.times`.
        framing: The part of each picture.
    """

    frames: np.ndarray
    times: np.ndarray
    framing: Framing


@dataclass(frozen=True)
class ViewSampler:
    """Reads clips from open videos.

    The random choices depend only on the seed, the epoch and the index of the video,
    not on the order or the number of threads.

    Args:
        clips: Chooses the frames.
        framings: Chooses the part of the picture.
        seed: Seed of the random choices, or `None` to draw nothing at random.
    """

    clips: ClipSampler
    framings: FramingSampler
    seed: int | None = None

    @property
    def num_views(self) -> int | None:
        """Number of clips times crops, or `None` for one clip without this axis."""
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
        """Returns the placeholder for a video that cannot be read."""
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
            open_video: Opens the video.
            path: Name of the video in errors.
            index: Index of the video, for random choices.
            epoch: Number of the epoch, for random choices.
            segment: Begin and end in seconds of the part to use, or `None` for the
                whole video.

        Raises:
            VideoError: If the video cannot be read. Its `segment` is that of the call.
        """
        with errors_named(path, segment), open_video() as video:
            try:
                return self._take(video, path, index, epoch, segment)
            except TimelineChangedError:
                return self._take(video, path, index, epoch, segment)

    def load_views(
        self,
        open_video: Callable[[], AbstractContextManager[VideoReader]],
        path: str,
        index: int,
        segment: Segment | None = None,
    ) -> Generator[SomeViews]:
        """Opens a video and yields its views, clip by clip if the reader can.

        Args:
            open_video, path, index, segment: As in `load`.

        Raises:
            VideoError: As in `load`. The views before it are void.
        """
        with errors_named(path, segment), open_video() as video:
            try:
                yield from self._take_views(video, path, index, segment)
            except TimelineChangedError:
                yield from self._take_views(video, path, index, segment)

    def _take_views(
        self, video: VideoReader, path: str, index: int, segment: Segment | None
    ) -> Iterator[SomeViews]:
        if not is_clip_reader(video):
            yield SomeViews(0, self._take(video, path, index, 0, segment).pixels)
            return
        choice = self.choose(video.times, path, index, 0, segment)
        first = num_read = 0
        clips: list[np.ndarray] = []
        for pixels in video.read_clips(choice.frames, choice.framing):
            # (frames, crops, …) → (views, frames, …)
            clips.append(np.moveaxis(pixels, 1, 0))
            num_read += len(clips[-1])
            if len(clips) * pixels.nbytes >= _BYTES_AT_ONCE:
                yield SomeViews(first, np.concatenate(clips))
                first, clips = num_read, []
        if num_read != self.num_views:
            raise VideoError(
                path, f"its reader has {num_read} of {self.num_views} views"
            )
        if clips:
            yield SomeViews(first, np.concatenate(clips))

    def _take(
        self,
        video: VideoReader,
        path: str,
        index: int,
        epoch: int,
        segment: Segment | None,
    ) -> LoadedClips:
        choice = self.choose(video.times, path, index, epoch, segment)
        pixels = video.read(choice.frames, choice.framing)
        # (clips, frames, crops, …) → (views, frames, …)
        pixels = np.moveaxis(pixels, 2, 1)
        pixels = pixels.reshape((*self.times_shape, *pixels.shape[-3:]))
        return LoadedClips(pixels, choice.times, np.bool_(choice.framing.flip))

    def choose(
        self,
        times: np.ndarray,
        path: str,
        index: int,
        epoch: int,
        segment: Segment | None = None,
    ) -> Choice:
        """Returns the part of a video that becomes its clips.

        Args:
            times: Presentation times in seconds, ascending, shape
                `(frames_in_video,)`.
            path, index, epoch, segment: As in `load`.

        Raises:
            VideoError: If the segment has no frames.
        """
        rng = None
        if self.seed is not None:
            rng = random_stream(self.seed, Purpose.CLIP, epoch, index)
        framing = self.framings.framing(rng)
        frames = _frames_of_segment(times, segment, path)
        chosen = frames[self.clips.frame_indices(times[frames], rng)]
        shown = times[chosen].repeat(len(framing.anchors), axis=0)
        shown = shown.reshape(self.times_shape).astype(np.float64)
        return Choice(chosen, shown, framing)


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
