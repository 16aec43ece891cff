"""The views of whole videos: which frames, and which part of the picture."""

from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np

from keras_nonlocal.data.arguments import check_positive_integer, pair_of_sizes
from keras_nonlocal.data.loading import ClipLoader
from keras_nonlocal.data.readers import OpenVideo
from keras_nonlocal.data.sampling import ClipSampler, ShortVideos
from keras_nonlocal.data.sources import VideoList
from keras_nonlocal.data.transforms import Framing, FramingSampler
from keras_nonlocal.models.clip_shape import ClipShape, clip_shape
from keras_nonlocal.models.preprocessing import has_preprocessing, preprocess_input

CropSize = int | tuple[int, int] | Literal["whole"] | None

_SHORT_SIDE_OF_WHOLE_PICTURES = 256


def view_loader(
    model: keras.Model,
    videos: VideoList,
    *,
    num_clips: int,
    num_crops: int,
    num_frames: int | None,
    frame_stride: int,
    crop_size: CropSize,
    short_side: int | None,
    target_fps: float | None,
    short_videos: ShortVideos,
    open_video: OpenVideo,
) -> ClipLoader:
    """Loads the views of each video; the arguments are those of `predict_video`."""
    check_positive_integer("num_clips", num_clips)
    own = clip_shape(model)
    if num_frames is None:
        num_frames = own.num_frames
    if num_frames is None:
        raise ValueError(
            "`num_frames` must be given for a model that takes clips of any length. "
            f"Received: num_frames=None for clips {tuple(own)}"
        )
    return ClipLoader(
        videos,
        open_video,
        ClipSampler(num_frames, frame_stride, num_clips, target_fps, short_videos),
        _framings(own, num_frames, crop_size, short_side, num_crops),
    )


def pixel_preprocessing(
    model: keras.Model, preprocessing: Callable[[Any], Any] | None
) -> Callable[[Any], Any]:
    """What turns pixels from 0 to 255 into what the model takes."""
    if preprocessing is not None:
        return preprocessing
    return _unchanged if has_preprocessing(model) else preprocess_input


class WholePictures(FramingSampler):
    """Scales the pictures and keeps all of them.

    Args:
        short_side: Length of the scaled shorter side, in pixels.
    """

    def __init__(self, short_side: int) -> None:
        super().__init__(1, short_side, 1)
        self._framing = Framing(short_side, None)

    def framing(self, rng: np.random.Generator | None = None) -> Framing:
        """Returns the one framing there is."""
        return self._framing


def _framings(
    own: ClipShape,
    num_frames: int,
    crop_size: CropSize,
    short_side: int | None,
    num_crops: int,
) -> FramingSampler:
    sides = (own.height, own.width)
    if crop_size == "whole":
        if num_crops != 1:
            raise ValueError(
                '`num_crops` must be 1 with `crop_size="whole"`. '
                f"Received: num_crops={num_crops!r}"
            )
        if sides != (None, None):
            raise ValueError(
                '`crop_size="whole"` needs a model that takes pictures of any size: '
                "one built with the height and width `None`. "
                f"Received: a model of clips {tuple(own)}"
            )
        return WholePictures(short_side or _SHORT_SIDE_OF_WHOLE_PICTURES)
    if crop_size is None:
        if None in sides:
            raise ValueError(
                "`crop_size` must be given for a model that takes clips of any size. "
                f"Received: crop_size=None for clips {tuple(own)}"
            )
        crop_size = sides  # type: ignore[assignment]
    sampler = FramingSampler(crop_size, short_side, num_crops)  # type: ignore[arg-type]
    own.check_takes(num_frames, *pair_of_sizes("crop_size", crop_size))
    return sampler


def _unchanged(pixels: Any) -> Any:
    return pixels
