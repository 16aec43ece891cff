"""Descriptions of the machine on which a benchmark runs."""

import os
import platform


def keras_device() -> str:
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.default_backend()
    if backend == "torch":
        import torch

        return "gpu" if torch.cuda.is_available() else "cpu"
    import tensorflow as tf

    return "gpu" if tf.config.list_logical_devices("GPU") else "cpu"


def device_name() -> str:
    import keras

    if keras.backend.backend() == "jax":
        import jax

        if jax.default_backend() == "gpu":
            return jax.devices()[0].device_kind
    elif keras.backend.backend() == "torch":
        return torch_device_name()
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def torch_device_name() -> str:
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def backend_version() -> str:
    import keras

    module = __import__(keras.backend.backend())
    return f"{keras.backend.backend()} {module.__version__}"
