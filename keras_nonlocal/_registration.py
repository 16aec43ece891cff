"""Registers this package's layers with Keras without importing Keras first.

`keras.saving.load_model` finds a custom layer only after the module that registers it
has been imported. This package imports Keras (and with it TensorFlow, JAX or PyTorch)
only on first use, so the registration follows Keras's own import.

It runs before `import keras` ends, and Python lets no other thread have Keras until
then. A thread that waits for Keras must therefore not be in the middle of a module that
the registration imports: each would wait for the other. The public names import Keras
before their modules (`_lazy`). A module that is imported by its path, as by `pickle`,
has no such order. If the registration meets one, it fails, and runs again in a thread
that holds nothing.
"""

import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from keras_nonlocal.import_hooks import around_import, around_submodules

_REGISTERING_MODULES = (
    "keras_nonlocal.data.augmentation",
    "keras_nonlocal.detection.region_model",
    "keras_nonlocal.layers.folded_convolution",
    "keras_nonlocal.layers.frozen_batch_normalization",
    "keras_nonlocal.layers.fused_batch_normalization",
    "keras_nonlocal.layers.map_convolution",
    "keras_nonlocal.layers.non_local_block",
    "keras_nonlocal.layers.operation",
    "keras_nonlocal.layers.pixel_preprocessing",
    "keras_nonlocal.layers.rematerialized_segment",
    "keras_nonlocal.metrics.mean_average_precision",
    "keras_nonlocal.models.clip_info_registration",
    "keras_nonlocal.replicas.model",
    "keras_nonlocal.training.detector_schedules",
)


class _Imports(threading.local):
    """The modules of this package that a thread is in the middle of."""

    depth = 0
    is_registration_due = False


_imports = _Imports()


def register_serializables() -> None:
    """Registers the package's Keras objects now, or right after Keras is imported."""
    if "keras" in sys.modules:
        _register()
    else:
        around_import("keras", _registering_afterwards)
        around_submodules("keras_nonlocal", _importing_own_module)


@contextmanager
def _importing_own_module() -> Iterator[None]:
    """Postpones the registration until a module of this package is complete.

    If that module is the first one to import Keras, the registering modules would
    otherwise be imported in its middle, and could not import it in turn.
    """
    _imports.depth += 1
    try:
        yield
    finally:
        _imports.depth -= 1
        if _imports.is_registration_due and not _imports.depth:
            _imports.is_registration_due = False
            _register()


def _register() -> None:
    """Imports the registering modules, or lets another thread do so if that fails.

    The import that this belongs to succeeds either way. An error that is not another
    thread's doing comes again in the new thread, which reports it.
    """
    try:
        _import_registering_modules()
    except Exception:
        threading.Thread(
            target=_import_registering_modules, name="keras_nonlocal registration"
        ).start()


def _import_registering_modules() -> None:
    for name in _REGISTERING_MODULES:
        importlib.import_module(name)


@contextmanager
def _registering_afterwards() -> Iterator[None]:
    yield
    if _imports.depth:
        _imports.is_registration_due = True
    else:
        _register()
