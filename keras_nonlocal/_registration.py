"""Makes this package's layers known to Keras without importing Keras first.

`keras.saving.load_model` finds a custom layer only after the module that registers
it was imported. This package imports Keras (and with it TensorFlow, JAX or PyTorch)
only when it is used, so the registration follows Keras's own import.
"""

import importlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

_REGISTERING_MODULES = (
    "keras_nonlocal.data.augmentation",
    "keras_nonlocal.layers",
    "keras_nonlocal.replicas",
    "keras_nonlocal.training.metrics",
)


def register_serializables() -> None:
    """Registers the package's Keras objects, now or right after Keras's import."""
    if "keras" in sys.modules:
        _import_registering_modules()
    else:
        sys.meta_path.insert(0, _AfterKerasFinder())


def _import_registering_modules() -> None:
    for name in _REGISTERING_MODULES:
        importlib.import_module(name)


class _AfterKerasFinder(importlib.abc.MetaPathFinder):
    """Lets the ordinary finders find Keras and adds one step after its import."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _AfterKerasLoader(spec.loader)
        return spec


class _AfterKerasLoader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        _import_registering_modules()
