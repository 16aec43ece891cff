"""Non-local Neural Networks (Wang et al., CVPR 2018) for Keras 3.

Names are imported when they are first used: `import keras_nonlocal` alone imports
neither Keras nor a backend.
"""

import importlib
from typing import TYPE_CHECKING, Any

from keras_nonlocal._registration import register_serializables
from keras_nonlocal._version import __version__ as __version__

if TYPE_CHECKING:
    from keras_nonlocal import data as data
    from keras_nonlocal import export as export
    from keras_nonlocal import layers as layers
    from keras_nonlocal import models as models
    from keras_nonlocal import training as training
    from keras_nonlocal import visualize as visualize
    from keras_nonlocal import weights as weights
    from keras_nonlocal.export import export_saved_model as export_saved_model
    from keras_nonlocal.inference import evaluate_videos as evaluate_videos
    from keras_nonlocal.inference import predict_video as predict_video
    from keras_nonlocal.models import NLResNet as NLResNet
    from keras_nonlocal.models import NLResNet50 as NLResNet50
    from keras_nonlocal.models import NLResNet50C2D as NLResNet50C2D
    from keras_nonlocal.models import NLResNet50I3D as NLResNet50I3D
    from keras_nonlocal.models import NLResNet101 as NLResNet101
    from keras_nonlocal.models import NLResNet101C2D as NLResNet101C2D
    from keras_nonlocal.models import NLResNet101I3D as NLResNet101I3D
    from keras_nonlocal.models import NLResNet152 as NLResNet152
    from keras_nonlocal.models import NLResNet152C2D as NLResNet152C2D
    from keras_nonlocal.models import NLResNet152I3D as NLResNet152I3D
    from keras_nonlocal.models import ResNet50C2D as ResNet50C2D
    from keras_nonlocal.models import ResNet50I3D as ResNet50I3D
    from keras_nonlocal.models import ResNet101C2D as ResNet101C2D
    from keras_nonlocal.models import ResNet101I3D as ResNet101I3D
    from keras_nonlocal.models import ResNet152C2D as ResNet152C2D
    from keras_nonlocal.models import ResNet152I3D as ResNet152I3D
    from keras_nonlocal.models import decode_predictions as decode_predictions
    from keras_nonlocal.models import preprocess_input as preprocess_input
    from keras_nonlocal.onednn import enable_onednn as enable_onednn

_SUBMODULES = ("data", "export", "layers", "models", "training", "visualize", "weights")

# Public name -> the module it is taken from.
_MODULE_OF = {
    "enable_onednn": "keras_nonlocal.onednn",
    "export_saved_model": "keras_nonlocal.export",
    "evaluate_videos": "keras_nonlocal.inference",
    "predict_video": "keras_nonlocal.inference",
} | dict.fromkeys(
    (
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
        "decode_predictions",
        "preprocess_input",
    ),
    "keras_nonlocal.models",
)

__all__ = ["__version__", *_SUBMODULES, *_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _MODULE_OF:
        value = getattr(importlib.import_module(_MODULE_OF[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register_serializables()
