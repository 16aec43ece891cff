"""One clip of a video, for the model and for drawing."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_nonlocal.arguments import check_positive_integer, pair_of_sizes
from keras_nonlocal.data.datasets.loading import ViewSampler
from keras_nonlocal.data.framing import Framing
from keras_nonlocal.data.readers.video_reader import OpenVideo, VideoReader
from keras_nonlocal.data.sampling import ClipSampler
from keras_nonlocal.inference.views import Views
from keras_nonlocal.models.clip_model import ClipModel, clip_model
from keras_nonlocal.tensors import Tensor

_FRAMES_PER_SECOND = 10.0  # for a drawn clip whose frames have no presentation times


@dataclass(frozen=True)
class DrawnClip:
    """A clip in two sizes.

    Args:
        inputs: The model's input, a batch of one.
        size: Height and width of the crop in the model's input, in pixels.
        pictures: RGB bytes of the same crop, `(num_frames, height, width, 3)`, at the
            size at which it is drawn.
        times: Presentation times in the video in seconds, `(num_frames,)`.
        model: The model and its properties.
    """

    inputs: Tensor
    size: tuple[int, int]
    pictures: np.ndarray
    times: np.ndarray
    model: ClipModel

    @property
    def frames_per_second(self) -> float:
        """The rate at which the clip's frames follow each other in the video."""
        steps = np.diff(self.times)
        steps = steps[steps > 0]
        return float(1 / np.median(steps)) if len(steps) else _FRAMES_PER_SECOND


@dataclass(frozen=True)
class ClipChoice:
    """The clip of a video to visualize, and its framing.

    Args:
        num_frames: Frames per clip. Defaults to that of the model's input, or else of
            `model.clip_info`.
        frame_stride: Distance between two frames, in frames. Defaults to that of
            `model.clip_info`, or else to 8.
        start: Time of the first frame, in seconds. Defaults to `None`, which takes the
            clip in the middle of the video.
        crop_size: Side of the square crop, or `(height, width)`, in pixels. Defaults
            to that of the model's input.
        short_side: Length in pixels to which the shorter side of the picture is scaled.
            Defaults to 8/7 of the longer side of the crop.
        target_fps: Frames per second at which `frame_stride` counts. Defaults to that
            of `model.clip_info` with its stride, or else to the frame rate of the
            file.
        picture_height: Height of a drawn picture, in pixels. Defaults to `320`.
    """

    num_frames: int | None = None
    frame_stride: int | None = None
    start: float | None = None
    crop_size: int | tuple[int, int] | None = None
    short_side: int | None = None
    target_fps: float | None = None
    picture_height: int = 320

    def read(
        self,
        model: keras.Model,
        video: str | os.PathLike[str],
        preprocessing: Callable[[Tensor], Tensor] | None,
        open_video: OpenVideo,
    ) -> DrawnClip:
        """Reads the clip from a video file."""
        path = os.fspath(video)
        if not os.path.exists(path):
            raise ValueError(
                f"`video` must name an existing file. Received: video={path!r}"
            )
        own = clip_model(model)
        check_positive_integer("picture_height", self.picture_height)
        views = self._views(own)
        sampler, framing = views.clips, views.framings.framing()
        size = views.framings.crop_size
        with open_video(path) as opened:
            times = opened.times
            indices = self._indices(times, sampler)
            pixels = opened.read(indices, framing)[:, 0]
            pictures = self._pictures(opened, indices, framing, size)
        return DrawnClip(
            _as_inputs(own, pixels, preprocessing),
            size,
            pictures,
            times[indices],
            own,
        )

    def _views(self, own: ClipModel) -> ViewSampler:
        """Returns the sampler of the one view that is drawn."""
        if self.crop_size is not None:
            pair_of_sizes("crop_size", self.crop_size)
        views = Views(
            1,
            1,
            self.num_frames,
            self.frame_stride,
            self.crop_size,
            self.short_side,
            self.target_fps,
        )
        return views.resolved(own).sampler()

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
        if sampler.target_fps is None:
            later = later[: sampler.span]
        else:
            length = (sampler.span - 0.5) / sampler.target_fps
            later = later[later - later[0] < length]
        return shown[sampler.frame_indices(later)[0]]

    def _pictures(
        self,
        opened: VideoReader,
        indices: np.ndarray,
        framing: Framing,
        size: tuple[int, int],
    ) -> np.ndarray:
        """Returns the same crops at the size at which they are drawn."""
        factor = self.picture_height / size[0]
        drawn_size = (self.picture_height, max(round(size[1] * factor), 1))
        short_side = max(round(framing.short_side * factor), 1)
        return opened.read(indices, Framing(short_side, drawn_size))[:, 0]


def _as_inputs(
    own: ClipModel,
    pixels: np.ndarray,
    preprocessing: Callable[[Tensor], Tensor] | None,
) -> Any:
    clips = pixels[np.newaxis]
    if keras.config.image_data_format() == "channels_first":
        clips = np.moveaxis(clips, -1, 1)
    return keras.ops.convert_to_tensor(
        own.preprocessing(preprocessing)(clips), dtype=own.model.inputs[0].dtype
    )
