"""Networks for clips and images in the manner of `keras.applications`."""

from keras_nonlocal.models.complexity import Complexity, count_complexity
from keras_nonlocal.models.image import (
    NLResNet50,
    NLResNet101,
    NLResNet152,
    pyramid_outputs,
)
from keras_nonlocal.models.named import (
    NLResNet50C2D,
    NLResNet50I3D,
    NLResNet101C2D,
    NLResNet101I3D,
    NLResNet152C2D,
    NLResNet152I3D,
    ResNet50C2D,
    ResNet50I3D,
    ResNet101C2D,
    ResNet101I3D,
    ResNet152C2D,
    ResNet152I3D,
)
from keras_nonlocal.models.predictions import decode_predictions, kinetics400_names
from keras_nonlocal.models.preprocessing import preprocess_input
from keras_nonlocal.models.video import NLResNet

__all__ = [
    "Complexity",
    "NLResNet",
    "NLResNet50",
    "NLResNet50C2D",
    "NLResNet50I3D",
    "NLResNet101",
    "NLResNet101C2D",
    "NLResNet101I3D",
    "NLResNet152",
    "NLResNet152C2D",
    "NLResNet152I3D",
    "ResNet50C2D",
    "ResNet50I3D",
    "ResNet101C2D",
    "ResNet101I3D",
    "ResNet152C2D",
    "ResNet152I3D",
    "count_complexity",
    "decode_predictions",
    "kinetics400_names",
    "preprocess_input",
    "pyramid_outputs",
]
