"""Which frames make up a clip: numbers in, frame indices out."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from keras_nonlocal.data.arguments import (
    check_choice,
    check_positive_integer,
    check_positive_number,
)

ShortVideos = Literal["loop", "repeat_last"]


@dataclass(frozen=True)
class ClipSampler:
    """Chooses the frames of the clips of one video.

    A clip spans `(num_frames - 1) * frame_stride + 1` frames of its video.

    Args:
        num_frames: Frames per clip.
        frame_stride: Distance between two frames of a clip, in frames.
        num_clips: Clips per video, evenly spaced from its first to its last frame.
            `None` takes one: at a random place if a generator is given, else in
            the middle.
        target_fps: Frames per second to which the video is brought before frames
            are counted: at each tick the frame shown at that time is taken.
            `None` counts the frames as they are stored.
        short_videos: What follows the last frame of a video that is shorter than a
            clip: `"loop"` starts over, `"repeat_last"` stands still.
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
        """Frames from the first to the last frame of a clip, both included."""
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
        """
        shown = self._shown_frames(times)
        starts = self._starts(len(shown), rng)
        steps = np.arange(self.num_frames) * self.frame_stride
        ticks = starts[:, np.newaxis] + steps
        if self.short_videos == "loop":
            ticks %= len(shown)
        else:
            ticks = np.minimum(ticks, len(shown) - 1)
        return shown[ticks]

    def _shown_frames(self, times: np.ndarray) -> np.ndarray:
        if self.target_fps is None:
            return np.arange(len(times))
        tolerance = 1e-3 / self.target_fps
        length = times[-1] - times[0] + tolerance
        ticks = np.arange(1 + int(length * self.target_fps)) / self.target_fps
        return np.searchsorted(times - times[0], ticks + tolerance, "right") - 1

    def _starts(self, available: int, rng: np.random.Generator | None) -> np.ndarray:
        last = max(available - self.span, 0)
        if self.num_clips is not None and self.num_clips > 1:
            return np.linspace(0, last, self.num_clips).round().astype(int)
        if self.num_clips is None and rng is not None:
            return rng.integers(last + 1, size=1)
        return np.array([last // 2])
