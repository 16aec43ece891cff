"""`Views`: the clips and crops of a video that a model scores."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from keras_nonlocal.arguments import (
    check_choice,
    check_positive_integer,
    check_positive_number,
    pair_of_sizes,
)
from keras_nonlocal.data.datasets.loading import ViewSampler
from keras_nonlocal.data.framing import Framing, FramingSampler
from keras_nonlocal.data.sampling import ClipSampler, ShortVideos
from keras_nonlocal.models.clip_model import ClipModel

CropSize = int | tuple[int, int] | Literal["whole"] | None

_SHORT_SIDE_OF_WHOLE_PICTURES = 256


@dataclass(frozen=True)
class Views:
    """The clips and crops of a video that a model scores.

    The constructor takes plain values, such as those in a configuration file or from
    `to_dict`. `None` stands for the model's own value.

    Args:
        num_clips: Clips per video, evenly spaced from its first to its last frame.
            Defaults to `10`.
        num_crops: 1 (the center) or 3 (side by side along the longer side of the
            picture). Defaults to `3`.
        num_frames: Frames per clip. Defaults to that of the model's input, or else of
            `model.clip_info`.
        frame_stride: Distance between two frames of a clip, in frames. Defaults to
            that of `model.clip_info`, or else to 8.
        crop_size: Side of the square crop, or `(height, width)`, in pixels; `"whole"`
            scales the picture and does not crop it. Defaults to that of the model's
            input.
        short_side: Length in pixels to which the shorter side of the picture is scaled.
            Defaults to 8/7 of the longer side of the crop, or to 256 for whole
            pictures.
        target_fps: Frames per second at which `frame_stride` counts. Defaults to that
            of `model.clip_info` with its stride, or else to the frame rate of the
            file.
        short_videos: How to fill a clip that is longer than its video: `"loop"` or
            `"repeat_last"`. Defaults to `"loop"`.

    Raises:
        TypeError: If a value has the wrong type.
        ValueError: If a value is invalid.
    """

    num_clips: int = 10
    num_crops: int = 3
    num_frames: int | None = None
    frame_stride: int | None = None
    crop_size: CropSize = None
    short_side: int | None = None
    target_fps: float | None = None
    short_videos: ShortVideos = "loop"

    def __post_init__(self) -> None:
        for name in ("num_clips", "num_frames", "frame_stride", "short_side"):
            value = getattr(self, name)
            if value is not None or name == "num_clips":
                self._set(name, check_positive_integer(name, value))
        if self.target_fps is not None:
            self._set(
                "target_fps", check_positive_number("target_fps", self.target_fps)
            )
        check_choice("num_crops", self.num_crops, (1, 3))
        self._set("num_crops", int(self.num_crops))
        check_choice("short_videos", self.short_videos, get_args(ShortVideos))
        size = self.crop_size
        if size == "whole":
            if self.num_crops != 1:
                raise ValueError(
                    '`num_crops` must be 1 with `crop_size="whole"`. '
                    f"Received: num_crops={self.num_crops!r}"
                )
        elif size is not None:
            self._set("crop_size", pair_of_sizes("crop_size", size))

    def _set(self, name: str, value: Any) -> None:
        # A frozen dataclass accepts no ordinary assignment.
        object.__setattr__(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """Returns the values as JSON types."""
        values = asdict(self)
        if isinstance(self.crop_size, tuple):
            values["crop_size"] = list(self.crop_size)
        return values

    def resolved(self, own: ClipModel) -> "Views":
        """Returns the views with the model's values in place of `None`.

        Args:
            own: The model.

        Raises:
            ValueError: If the model does not take such clips, or a value is given by
                neither the views nor the model.
        """
        num_frames = own.num_frames if self.num_frames is None else self.num_frames
        if num_frames is None:
            raise ValueError(
                "`num_frames` must be given for a model that takes clips of any "
                f"length. Received: num_frames=None for clips {tuple(own.clips)}"
            )
        check_positive_integer("num_frames", num_frames)
        size = self._resolved_crop_size(own)
        if size != "whole":
            own.clips.check_takes(num_frames, *pair_of_sizes("crop_size", size))
        stride, rate = own.frame_rate(self.frame_stride, self.target_fps)
        return replace(
            self,
            num_frames=num_frames,
            frame_stride=stride,
            crop_size=size,
            target_fps=rate,
        )

    def sampler(self) -> ViewSampler:
        """Returns the sampler that reads these views, which must be resolved."""
        assert self.num_frames is not None
        assert self.frame_stride is not None
        clips = ClipSampler(
            self.num_frames,
            self.frame_stride,
            self.num_clips,
            self.target_fps,
            self.short_videos,
        )
        return ViewSampler(clips, self._framings())

    def _framings(self) -> FramingSampler:
        if self.crop_size == "whole":
            return WholePictures(self.short_side or _SHORT_SIDE_OF_WHOLE_PICTURES)
        size = pair_of_sizes("crop_size", self.crop_size)
        return FramingSampler(size, self.short_side, self.num_crops)

    def _resolved_crop_size(self, own: ClipModel) -> CropSize:
        height, width = own.clips.height, own.clips.width
        if self.crop_size == "whole" and (height, width) != (None, None):
            raise ValueError(
                '`crop_size="whole"` needs a model that takes pictures of any size: '
                "one built with `None` as height and width. "
                f"Received: a model of clips {tuple(own.clips)}"
            )
        if self.crop_size is not None:
            return self.crop_size
        if height is None or width is None:
            raise ValueError(
                "`crop_size` must be given for a model that takes clips of any size. "
                f"Received: crop_size=None for clips {tuple(own.clips)}"
            )
        return height, width


class WholePictures(FramingSampler):
    """Scales pictures without cropping them.

    Args:
        short_side: Length of the scaled shorter side, in pixels.
    """

    def __init__(self, short_side: int) -> None:
        super().__init__(1, short_side, 1)
        self._framing = Framing(short_side, None)

    def framing(self, rng: np.random.Generator | None = None) -> Framing:
        """Returns the framing, which is the same for all clips."""
        return self._framing
