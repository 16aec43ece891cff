"""What a network looks at: attention across frames and class activation over time."""

from keras_nonlocal.visualize.attention import Attention, Connection, Place, attend
from keras_nonlocal.visualize.class_activation import ClassActivation, grad_cam
from keras_nonlocal.visualize.clips import ClipChoice
from keras_nonlocal.visualize.from_video import draw_attention, draw_grad_cam

__all__ = [
    "Attention",
    "ClassActivation",
    "ClipChoice",
    "Connection",
    "Place",
    "attend",
    "draw_attention",
    "draw_grad_cam",
    "grad_cam",
]
