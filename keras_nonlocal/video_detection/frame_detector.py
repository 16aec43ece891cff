"""`FrameDetector`: a detector for the frames of one video, in batches of one shape."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_nonlocal.detection import RegionModel
from keras_nonlocal.inference.pictures import PictureScaling
from keras_nonlocal.video_detection.detections import (
    FrameDetections,
    MaskFormat,
    frame_detections,
)

Shown = tuple[int, np.ndarray]


@dataclass(frozen=True)
class FrameDetector:
    """A detector and the settings for using it on frames.

    Args:
        model: The detector.
        short_side, long_side: As in `keras_nonlocal.predict_picture`.
        class_names: Names of the classes.
        mask_format: Form of the masks.
        batch_size: Number of frames in a batch.
    """

    model: RegionModel
    short_side: int
    long_side: int
    class_names: Sequence[str]
    mask_format: MaskFormat
    batch_size: int

    def detect(
        self, frames: Sequence[Shown], times: np.ndarray
    ) -> dict[int, FrameDetections]:
        """Finds the objects in up to `batch_size` frames of one size.

        Args:
            frames: Indices and RGB bytes `(height, width, 3)`.
            times: Times of all frames of the video.

        Returns:
            Index → its detections.
        """
        height, width = frames[0][1].shape[:2]
        scaling = PictureScaling.of(
            self.model, (height, width), self.short_side, self.long_side
        )
        batch = scaling.batch([picture for _, picture in frames], self.batch_size)
        outputs = self.model.predict_on_batch(batch)
        return {
            index: frame_detections(
                index,
                float(times[index]),
                scaling.detections(outputs, place),
                self.class_names,
                (height, width),
                self.mask_format,
            )
            for place, (index, _) in enumerate(frames)
        }
