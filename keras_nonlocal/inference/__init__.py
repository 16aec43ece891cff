"""Scoring of whole videos, and evaluation on videos and of detectors."""

from typing import TYPE_CHECKING

from keras_nonlocal._lazy import lazy_room

if TYPE_CHECKING:
    from keras_nonlocal.inference.coco_evaluating import evaluate_coco as evaluate_coco
    from keras_nonlocal.inference.coco_result import CocoResult as CocoResult
    from keras_nonlocal.inference.evaluating import evaluate_videos as evaluate_videos
    from keras_nonlocal.inference.exported.exported_model import (
        ExportedModel as ExportedModel,
    )
    from keras_nonlocal.inference.pictures import predict_picture as predict_picture
    from keras_nonlocal.inference.predicting import predict_video as predict_video
    from keras_nonlocal.inference.predicting import predict_videos as predict_videos
    from keras_nonlocal.inference.video_evaluation import (
        VideoEvaluation as VideoEvaluation,
    )
    from keras_nonlocal.inference.views import Views as Views
else:
    __getattr__, __dir__, __all__ = lazy_room(__name__)
