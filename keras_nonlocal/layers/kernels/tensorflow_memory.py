"""Whether TensorFlow runs on accelerators, and the memory that it has there."""

import tensorflow as tf


def has_accelerator() -> bool:
    """Whether there is a GPU or a TPU."""
    kinds = ("GPU", "TPU")
    return any(tf.config.list_physical_devices(kind) for kind in kinds)


def memory_of_gpu() -> int | None:
    """Returns the bytes to which the program limits the first GPU, if it does.

    TensorFlow does not tell the memory of a GPU itself.
    """
    for gpu in tf.config.list_physical_devices("GPU")[:1]:
        settings = tf.config.get_logical_device_configuration(gpu) or ()
        limits = [s.memory_limit for s in settings if s.memory_limit]
        return min(limits) * 2**20 if limits else None  # They are in MiB.
    return None
