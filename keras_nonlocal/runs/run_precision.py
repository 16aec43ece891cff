"""The precision of a training run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import keras

from keras_nonlocal import training
from keras_nonlocal.runs.folder import RunFolder
from keras_nonlocal.runs.run_parts import Settings
from keras_nonlocal.training.precision import fastest_precision

# Kernels for fewer channels are not faster in half precision.
_WIDE = 16

SettingsT = TypeVar("SettingsT", bound=Settings)


def check_precision(settings: Settings) -> None:
    """Rejects a precision that CPUs do not support, before weights are downloaded."""
    if settings.recipe.precision != "float16":
        return
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not tf.config.list_physical_devices("GPU"):
            raise ValueError(
                '`precision` must be "float32" or "bfloat16" without a GPU: TensorFlow '
                'trains no float16 on CPUs. Received: precision="float16"'
            )


def with_precision(settings: SettingsT, folder: RunFolder) -> SettingsT:
    """Replaces the precision `"auto"` by that of the run to resume, or the fastest."""
    if settings.recipe.precision != "auto":
        return settings
    precision = folder.precision(type(settings))
    if precision is None:
        is_wide = settings.network.width >= _WIDE
        precision = fastest_precision() if is_wide else "float32"
    return settings.replace(precision=precision)


@contextmanager
def random_state_and_precision(settings: Settings) -> Iterator[None]:
    """Sets the seed, and for the time of a run its precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(training.precision_policy(settings.recipe.precision))
    try:
        keras.utils.set_random_seed(settings.recipe.seed)
        yield
    finally:
        keras.config.set_dtype_policy(before)
