"""How much memory a non-local block takes for the weights of all pairs by default."""

from functools import cache

import keras

from keras_nonlocal.memory import memory_of_process
from keras_nonlocal.tensors import Tensor

# A network has up to ten blocks, of whose memory one third is kept for the gradients.
_SHARE = 16
# Where the memory of a device is not known: a share of 16 GiB.
_DEFAULT = 2**30


def default_memory_limit(x: Tensor) -> int:
    """Returns a sixteenth of the memory of the device, or 1 GiB if that is not known.

    On CPUs, it is a share of the memory that the process may use.

    Args:
        x: With PyTorch, a tensor on the device. Other backends have one device.
    """
    if keras.backend.backend() == "torch":
        memory = _memory_with_torch(x.device)
    else:
        memory = _memory_of_device()
    return _DEFAULT if memory is None else memory // _SHARE


@cache
def _memory_of_device() -> int | None:
    backend = keras.backend.backend()
    return {"tensorflow": _memory_with_tensorflow, "jax": _memory_with_jax}.get(
        backend, memory_of_process
    )()


def _memory_with_tensorflow() -> int | None:
    from keras_nonlocal.layers.kernels import tensorflow_memory

    if tensorflow_memory.has_accelerator():
        return tensorflow_memory.memory_of_gpu()
    return memory_of_process()


def _memory_with_jax() -> int | None:
    import jax

    device = jax.devices()[0]
    if device.platform == "cpu":
        return memory_of_process()
    return (device.memory_stats() or {}).get("bytes_limit")


@cache
def _memory_with_torch(device: Tensor) -> int | None:
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return memory_of_process() if device.type == "cpu" else None
