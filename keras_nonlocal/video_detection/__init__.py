"""Detectors on video files: detections of each frame, and videos that show them."""

from typing import TYPE_CHECKING

from keras_nonlocal._lazy import lazy_room

if TYPE_CHECKING:
    from keras_nonlocal.video_detection.detecting import (
        VideoDetections as VideoDetections,
    )
    from keras_nonlocal.video_detection.detecting import detect_video as detect_video
    from keras_nonlocal.video_detection.detections import (
        FrameDetections as FrameDetections,
    )
else:
    __getattr__, __dir__, __all__ = lazy_room(__name__)
