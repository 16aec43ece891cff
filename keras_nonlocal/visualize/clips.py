"""One clip of a video, as a model sees it and as it is drawn."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_nonlocal.data.arguments import check_positive_integer, pair_of_sizes
from keras_nonlocal.data.readers import OpenVideo, VideoReader
from keras_nonlocal.data.sampling import ClipSampler
from keras_nonlocal.data.transforms import Framing, FramingSampler
from keras_nonlocal.models.clip_shape import clip_shape
from keras_nonlocal.models.preprocessing import has_preprocessing, preprocess_input

_FRAMES_PER_SECOND = 10.0  # of a drawn clip whose frames do not say when they are shown


@dataclass(frozen=True)
class DrawnClip:
    """A clip in two sizes.

    Args:
        inputs: What the model takes, a batch of one.
        size: Height and width of the crop in the model's input, in pixels.
        pictures: RGB bytes of the same crop, `(num_frames, height, width, 3)`, in the
            size in which it is drawn.
        times: Presentation times in the video in seconds, `(num_frames,)`.
    """

    inputs: Any
    size: tuple[int, int]
    pictures: np.ndarray
    times: np.ndarray

    @property
    def frames_per_second(self) -> float:
        """How fast the frames follow each other in the video."""
        steps = np.diff(self.times)
        steps = steps[steps > 0]
        return float(1 / np.median(steps)) if len(steps) else _FRAMES_PER_SECOND


@dataclass(frozen=True)
class ClipChoice:
    """Which clip of a video is taken, and how it is framed.

    Args:
        num_frames: Frames per clip. Defaults to that of the model's input.
        frame_stride: Distance between two frames, in frames. Defaults to `8`.
        start: Time of the first frame in seconds. Defaults to the clip in the middle.
        crop_size: Side of the square crop, or `(height, width)`, in pixels. Defaults
            to that of the model's input.
        short_side: Pixels to which the shorter side of the picture is scaled. Defaults
            to 8/7 of the longer side of the crop.
        target_fps: Frames per second at which `frame_stride` counts. Defaults to the
            frames of the file.
        picture_height: Height of a drawn picture, in pixels. Defaults to `320`.
    """

    num_frames: int | None = None
    frame_stride: int = 8
    start: float | None = None
    crop_size: int | tuple[int, int] | None = None
    short_side: int | None = None
    target_fps: float | None = None
    picture_height: int = 320

    def read(
        self,
        model: keras.Model,
        video: str | os.PathLike[str],
        preprocessing: Callable[[Any], Any] | None,
        open_video: OpenVideo,
    ) -> DrawnClip:
        """Reads the clip from a video file."""
        path = os.fspath(video)
        if not os.path.exists(path):
            raise ValueError(
                f"`video` must name an existing file. Received: video={path!r}"
            )
        num_frames, size = self._sizes(model)
        framing = FramingSampler(size, self.short_side, 1).framing()
        check_positive_integer("picture_height", self.picture_height)
        sampler = ClipSampler(num_frames, self.frame_stride, target_fps=self.target_fps)
        with open_video(path) as opened:
            times = opened.times
            indices = self._indices(times, sampler)
            pixels = opened.read(indices, framing)[:, 0]
            pictures = self._pictures(opened, indices, framing, size)
        return DrawnClip(
            _as_inputs(model, pixels, preprocessing), size, pictures, times[indices]
        )

    def _sizes(self, model: keras.Model) -> tuple[int, tuple[int, int]]:
        own = clip_shape(model)
        num_frames = own.num_frames if self.num_frames is None else self.num_frames
        crop = (own.height, own.width) if self.crop_size is None else self.crop_size
        if num_frames is None or (isinstance(crop, tuple) and None in crop):
            raise ValueError(
                "`num_frames` and `crop_size` must be given for a model that takes "
                f"clips of any size. Received: num_frames={self.num_frames}, "
                f"crop_size={self.crop_size} for clips {tuple(own)}"
            )
        size = pair_of_sizes("crop_size", crop)
        own.check_takes(num_frames, *size)
        return num_frames, size

    def _indices(self, times: np.ndarray, sampler: ClipSampler) -> np.ndarray:
        if self.start is None:
            return sampler.frame_indices(times)[0]
        shown = np.flatnonzero(times - times[0] >= self.start)
        if self.start < 0 or not len(shown):
            raise ValueError(
                "`start` must be a time in the video, in seconds. Received: "
                f"start={self.start} for a video of {times[-1] - times[0]:.3f} s"
            )
        later = times[shown]
        if self.target_fps is None:
            later = later[: sampler.span]
        else:
            length = (sampler.span - 0.5) / self.target_fps
            later = later[later - later[0] < length]
        return shown[sampler.frame_indices(later)[0]]

    def _pictures(
        self,
        opened: VideoReader,
        indices: np.ndarray,
        framing: Framing,
        size: tuple[int, int],
    ) -> np.ndarray:
        """The same crops from a finer or coarser scaling of the frames."""
        factor = self.picture_height / size[0]
        drawn_size = (self.picture_height, max(round(size[1] * factor), 1))
        short_side = max(round(framing.short_side * factor), 1)
        return opened.read(indices, Framing(short_side, drawn_size))[:, 0]


def _as_inputs(
    model: keras.Model,
    pixels: np.ndarray,
    preprocessing: Callable[[Any], Any] | None,
) -> Any:
    clips = pixels[np.newaxis]
    if keras.config.image_data_format() == "channels_first":
        clips = np.moveaxis(clips, -1, 1)
    if preprocessing is None:
        preprocessing = _unchanged if has_preprocessing(model) else preprocess_input
    return keras.ops.convert_to_tensor(
        preprocessing(clips), dtype=model.inputs[0].dtype
    )


def _unchanged(pixels: Any) -> Any:
    return pixels
