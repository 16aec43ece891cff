"""Registers this package's layers with Keras without importing Keras first.

`keras.saving.load_model` finds a custom layer only after the module that registers it
has been imported. This package imports Keras (and with it TensorFlow, JAX or PyTorch)
only on first use, so the registration follows Keras's own import.
"""

import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from keras_nonlocal.import_hooks import around_import

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
    "keras_nonlocal.models.clip_info",
    "keras_nonlocal.replicas.model",
    "keras_nonlocal.training.detector_schedules",
)


class _Imports(threading.local):
    """The imports of public names that a thread is in the middle of."""

    depth = 0
    is_registration_due = False


_imports = _Imports()


def register_serializables() -> None:
    """Registers the package's Keras objects now, or right after Keras is imported."""
    if "keras" in sys.modules:
        _import_registering_modules()
    else:
        around_import("keras", _registering_afterwards)


@contextmanager
def importing_own_module() -> Iterator[None]:
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
        _import_registering_modules()


def _import_registering_modules() -> None:
    for name in _REGISTERING_MODULES:
        importlib.import_module(name)


@contextmanager
def _registering_afterwards() -> Iterator[None]:
    yield
    if _imports.depth:
        _imports.is_registration_due = True
    else:
        _import_registering_modules()
