"""Selection of the frames of a clip."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from keras_nonlocal.arguments import (
    check_choice,
    check_positive_integer,
    check_positive_number,
)

ShortVideos = Literal["loop", "repeat_last"]

_MOST_TICKS = 2**53


@dataclass(frozen=True)
class ClipSampler:
    """Chooses the frames of the clips of one video.

    A clip spans `(num_frames - 1) * frame_stride + 1` frames of its video.

    Args:
        num_frames: Number of frames per clip.
        frame_stride: Distance between two frames of a clip, in frames.
        num_clips: Number of clips per video, evenly spaced from its first to its last
            frame. With `None`, one clip is taken, at a random position if a generator
            is given, or else in the middle.
        target_fps: Frames per second to which the video is resampled before frames are
            counted, by taking the frame that is shown at each tick. `None` counts the
            stored frames.
        short_videos: How to fill a clip that is longer than its video: `"loop"` starts
            over, `"repeat_last"` repeats the last frame.
    """

    num_frames: int
    frame_stride: int = 1
    num_clips: int | None = None
    target_fps: float | None = None
    short_videos: ShortVideos = "loop"

    def __post_init__(self) -> None:
        check_positive_integer("num_frames", self.num_frames)
        check_positive_integer("frame_stride", self.frame_stride)
        if self.num_clips is not None:
            check_positive_integer("num_clips", self.num_clips)
        if self.target_fps is not None:
            check_positive_number("target_fps", self.target_fps)
        check_choice("short_videos", self.short_videos, ("loop", "repeat_last"))

    @property
    def span(self) -> int:
        """Number of frames from the first to the last frame of a clip, inclusive."""
        return (self.num_frames - 1) * self.frame_stride + 1

    def frame_indices(
        self, times: np.ndarray, rng: np.random.Generator | None = None
    ) -> np.ndarray:
        """Returns the frames of each clip.

        Args:
            times: Presentation times of the video's frames in seconds, ascending,
                shape `(frames_in_video,)`.
            rng: Draws the start of the clip if `num_clips` is `None`.

        Returns:
            Indices into `times`, shape `(num_clips or 1, num_frames)`.

        Raises:
            ValueError: If the times are too far apart to count ticks.
        """
        available = self._num_ticks(times)
        starts = self._starts(available, rng)
        steps = np.arange(self.num_frames) * self.frame_stride
        ticks = starts[:, np.newaxis] + steps
        if self.short_videos == "loop":
            ticks %= available
        else:
            ticks = np.minimum(ticks, available - 1)
        return self._shown_frames(times, ticks)

    def _num_ticks(self, times: np.ndarray) -> int:
        """Returns the number of available frames, at `target_fps` if given.

        A clock may jump by years, so the ticks are only counted and never listed.
        """
        if self.target_fps is None:
            return len(times)
        length = float(times[-1]) - float(times[0]) + self._tolerance
        # Larger integers have no exact floating-point representation.
        if not length * self.target_fps < _MOST_TICKS:
            raise ValueError(
                "The times of a video must be such that frames at `target_fps` can be "
                f"counted. Received: times from {times[0]} s to {times[-1]} s, "
                f"target_fps={self.target_fps!r}"
            )
        return 1 + int(length * self.target_fps)

    def _shown_frames(self, times: np.ndarray, ticks: np.ndarray) -> np.ndarray:
        """Returns the frame that is shown at each tick."""
        if self.target_fps is None:
            return ticks
        moments = ticks / self.target_fps + self._tolerance
        return np.searchsorted(times - times[0], moments, "right") - 1

    @property
    def _tolerance(self) -> float:
        """Seconds by which a tick may be early and still match its frame."""
        return 1e-3 / self.target_fps if self.target_fps else 0.0

    def _starts(self, available: int, rng: np.random.Generator | None) -> np.ndarray:
        last = max(available - self.span, 0)
        if self.num_clips is not None and self.num_clips > 1:
            return np.linspace(0, last, self.num_clips).round().astype(int)
        if self.num_clips is None and rng is not None:
            return rng.integers(last + 1, size=1)
        return np.array([last // 2])
