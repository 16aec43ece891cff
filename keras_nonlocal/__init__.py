"""Non-local Neural Networks (Wang et al., CVPR 2018) for Keras 3.

Names are imported when they are first used: `import keras_nonlocal` alone imports
neither Keras nor a backend.
"""

import importlib
from typing import TYPE_CHECKING, Any

from keras_nonlocal._registration import register_serializables
from keras_nonlocal._version import __version__

if TYPE_CHECKING:
    from keras_nonlocal import data, layers, models
    from keras_nonlocal.models import (
        NLResNet,
        NLResNet50C2D,
        NLResNet50I3D,
        NLResNet101C2D,
        NLResNet101I3D,
        ResNet50C2D,
        ResNet50I3D,
        ResNet101C2D,
        ResNet101I3D,
        preprocess_input,
    )

# name -> module that defines it; a module's own name maps to itself.
_LOCATIONS = {
    "data": "keras_nonlocal.data",
    "layers": "keras_nonlocal.layers",
    "models": "keras_nonlocal.models",
} | dict.fromkeys(
    (
        "NLResNet",
        "NLResNet50C2D",
        "NLResNet50I3D",
        "NLResNet101C2D",
        "NLResNet101I3D",
        "ResNet50C2D",
        "ResNet50I3D",
        "ResNet101C2D",
        "ResNet101I3D",
        "preprocess_input",
    ),
    "keras_nonlocal.models",
)

__all__ = [
    "NLResNet",
    "NLResNet50C2D",
    "NLResNet50I3D",
    "NLResNet101C2D",
    "NLResNet101I3D",
    "ResNet50C2D",
    "ResNet50I3D",
    "ResNet101C2D",
    "ResNet101I3D",
    "__version__",
    "data",
    "layers",
    "models",
    "preprocess_input",
]


def __getattr__(name: str) -> Any:
    if name not in _LOCATIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    location = _LOCATIONS[name]
    module = importlib.import_module(location)
    value = module if location == f"{__name__}.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register_serializables()
