"""Visualization of attention, class activation, detected objects and poses."""

from typing import TYPE_CHECKING

from keras_nonlocal._lazy import lazy_room

if TYPE_CHECKING:
    from keras_nonlocal.visualize.attention import Attention as Attention
    from keras_nonlocal.visualize.attention import Connection as Connection
    from keras_nonlocal.visualize.attention import Place as Place
    from keras_nonlocal.visualize.attention import attend as attend
    from keras_nonlocal.visualize.class_activation import (
        ClassActivation as ClassActivation,
    )
    from keras_nonlocal.visualize.class_activation import grad_cam as grad_cam
    from keras_nonlocal.visualize.clips import ClipChoice as ClipChoice
    from keras_nonlocal.visualize.detected_objects import (
        draw_detections as draw_detections,
    )
    from keras_nonlocal.visualize.from_video import draw_attention as draw_attention
    from keras_nonlocal.visualize.from_video import draw_grad_cam as draw_grad_cam
    from keras_nonlocal.visualize.poses import draw_poses as draw_poses
else:
    __getattr__, __dir__, __all__ = lazy_room(__name__)
