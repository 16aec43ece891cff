"""Scores and drawings of one video or picture."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_nonlocal.data import VideoError, VideoList
from keras_nonlocal.data.opening import open_any_video
from keras_nonlocal.detection import RegionModel
from keras_nonlocal.inference import Views
from keras_nonlocal.inference.pictures import predict_picture, read_pixels
from keras_nonlocal.inference.video_scorer import scorer
from keras_nonlocal.inference.view_reduction import Reduction
from keras_nonlocal.layers import NonLocalBlock
from keras_nonlocal.models.predictions import both_scores
from keras_nonlocal.visualize import (
    ClipChoice,
    draw_attention,
    draw_detections,
    draw_grad_cam,
    draw_poses,
)

_PICTURE_HEIGHT = 200  # pixels of a frame on the page
_WHOLE_SIDE = 256  # of the square that is drawn of uncropped pictures


@dataclass(frozen=True)
class ClassifierDemo:
    """Scores a video and draws what the model attends to.

    Args:
        model: Takes clips and returns scores.
        class_names: Names of the classes.
        views: The clips and crops to score.
        folder: Folder for the drawings.
        reduction: How to combine the scores of the views.
        batch_size: Number of views per step of the model.
    """

    model: keras.Model
    class_names: Sequence[str]
    views: Views
    folder: Path
    reduction: Reduction = "mean"
    batch_size: int = 8
    _numbers: Any = field(default_factory=itertools.count, repr=False)

    @property
    def has_attention(self) -> bool:
        """Whether the model has a non-local block whose attention can be drawn."""
        return any(
            isinstance(layer, NonLocalBlock) and len(layer.input.shape) == 5
            for layer in self.model.layers
        )

    def scores(self, video: str) -> dict[str, float]:
        """Returns the score of each class.

        Raises:
            VideoError: If the video cannot be read.
        """
        video_scorer = scorer(
            self.model,
            self.views,
            self.reduction,
            self.batch_size,
            preprocessing=None,
            open_video=open_any_video,
        )
        (scores,) = video_scorer.in_order(VideoList((video,)))
        if isinstance(scores, VideoError):
            raise scores
        if len(scores) == 1 and len(self.class_names) == 2:
            scores = both_scores(scores)
        return dict(zip(self.class_names, map(float, scores), strict=True))

    def attention(self, video: str) -> Path:
        """Draws what the center of the middle frame attends to."""
        return self._drawn(draw_attention, video)

    def activation(self, video: str, class_name: str) -> Path:
        """Draws where and when a class shows."""
        index = [*self.class_names].index(class_name)
        return self._drawn(draw_grad_cam, video, class_index=index)

    def _drawn(self, draw: Callable[..., Any], video: str, **options: Any) -> Path:
        views = self.views
        crop_size = views.crop_size
        if crop_size == "whole":
            crop_size = views.short_side or _WHOLE_SIDE
        clip = ClipChoice(
            num_frames=views.num_frames,
            frame_stride=views.frame_stride,
            crop_size=crop_size,
            short_side=views.short_side,
            target_fps=views.target_fps,
            picture_height=_PICTURE_HEIGHT,
        )
        output = self.folder / f"{next(self._numbers)}.png"
        draw(
            self.model,
            video,
            output,
            class_names=self.class_names,
            clip=clip,
            open_video=open_any_video,
            **options,
        )
        return output


@dataclass(frozen=True)
class DetectorDemo:
    """Finds and draws the objects in a picture.

    Args:
        model: The detector.
        class_names: Names of the classes.
    """

    model: RegionModel
    class_names: Sequence[str]

    def detect(
        self, picture: str, min_score: float
    ) -> tuple[np.ndarray, list[list[Any]]]:
        """Returns the drawn picture and a row with class, score and box per object.

        Args:
            picture: The file.
            min_score: Objects with a lower score are left out.

        Raises:
            keras_nonlocal.data.ImageError: If the picture cannot be read.
        """
        pixels = read_pixels(picture)
        found = predict_picture(self.model, pixels)
        names = self.class_names
        if self.model.has_keypoints:
            points = self.model.keypoints
            drawn = draw_poses(
                pixels, found, points, class_names=names, min_score=min_score
            )
        else:
            drawn = draw_detections(pixels, found, names, min_score=min_score)
        rows = [
            [names[label], f"{score:.3f}", " ".join(f"{side:.0f}" for side in box)]
            for label, score, box in zip(
                found["labels"], found["scores"], found["boxes"], strict=True
            )
            if score >= min_score
        ]
        return drawn, rows
