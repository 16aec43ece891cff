"""Training in half precision."""

import os
import re
from typing import Any, Literal

import keras

from keras_nonlocal.processors import has_bfloat16_units

Precision = Literal["auto", "float32", "bfloat16", "float16"]

# GPUs have units for bfloat16 from this compute capability on.
_GPU_WITH_BFLOAT16 = (8, 0)

_POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def fastest_precision() -> Literal["float32", "bfloat16"]:
    """Returns the precision in which the devices of Keras's backend train fastest.

    It is `"bfloat16"` if they have units for it: TPUs, GPUs from compute capability 8.0
    on, and with TensorFlow x86 processors with AVX-512 BF16 or AMX on Linux.
    """
    has_units = {
        "tensorflow": _tensorflow_has_units,
        "jax": _jax_has_units,
        "torch": _torch_has_units,
    }
    backend = keras.backend.backend()
    return "bfloat16" if has_units.get(backend, bool)() else "float32"


def _tensorflow_has_units() -> bool:
    import tensorflow as tf

    if tf.config.get_visible_devices("TPU"):
        return True
    gpus = tf.config.get_visible_devices("GPU")
    if not gpus:
        # Other kernels than those of oneDNN convert to float32 and back.
        one_dnn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1").lower()
        return one_dnn not in ("0", "false") and has_bfloat16_units()
    details = map(tf.config.experimental.get_device_details, gpus)
    return all(
        tuple(each.get("compute_capability", ())) >= _GPU_WITH_BFLOAT16
        for each in details
    )


def _jax_has_units() -> bool:
    import jax

    return all(map(_jax_device_has_units, jax.local_devices()))


def _jax_device_has_units(device: Any) -> bool:
    # AMD's GPUs have names in place of numbers.
    capability = str(getattr(device, "compute_capability", ""))
    if not re.fullmatch(r"\d+\.\d+", capability):
        return bool(device.platform == "tpu")
    return tuple(map(int, capability.split("."))) >= _GPU_WITH_BFLOAT16


def _torch_has_units() -> bool:
    import torch

    is_used = os.environ.get("KERAS_TORCH_DEVICE", "cuda").startswith("cuda")
    if not is_used or not torch.cuda.is_available():
        return False
    return torch.cuda.get_device_capability() >= _GPU_WITH_BFLOAT16


def precision_policy(precision: Precision) -> keras.DTypePolicy:
    """Returns the Keras dtype policy for training in the given precision.

    Set it before you build the network. Variables, the optimizer, the classifier and
    the loss stay in float32, and a non-local block sums in float32. `"bfloat16"` has
    the range of float32 and needs no loss scaling. `"float16"` loses gradients below
    6e-8, so `compile` scales the loss dynamically
    (`keras.optimizers.LossScaleOptimizer`) and skips steps whose gradients overflow.

    Args:
        precision: `"float32"`, `"bfloat16"`, `"float16"` or `"auto"`, which is
            bfloat16 if the devices have units for it, and otherwise float32. These
            devices are TPUs, GPUs from compute capability 8.0 on, and with TensorFlow
            x86 processors with AVX-512 BF16 or AMX on Linux.

    Returns:
        A `keras.DTypePolicy`.

    Raises:
        ValueError: If `precision` has another value.

    Example:

    >>> policy = keras_nonlocal.training.precision_policy("bfloat16")
    >>> keras.config.set_dtype_policy(policy)  # doctest: +SKIP
    >>> policy.compute_dtype, policy.variable_dtype
    ('bfloat16', 'float32')

    References:
        [Mixed Precision Training](https://arxiv.org/abs/1710.03740).
    """
    if precision == "auto":
        precision = fastest_precision()
    if precision not in _POLICIES:
        raise ValueError(
            f"`precision` must be one of {('auto', *_POLICIES)}. "
            f"Received: precision={precision!r}"
        )
    return keras.DTypePolicy(_POLICIES[precision])
