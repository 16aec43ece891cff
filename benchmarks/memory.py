"""Measures the peak memory of a step on the GPU, if any, or else in the process."""

import contextlib
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path


class MemoryMeter:
    """Measures the peak memory from now on, of the GPU or else of the process."""

    def __init__(self) -> None:
        self._gpu_peak = gpu_peak_reader()
        if self._gpu_peak is None:
            reset_peak_of_process()
            self._start = peak_of_process()

    def extra_bytes(self) -> int:
        if self._gpu_peak is not None:
            return self._gpu_peak()
        return peak_of_process() - self._start


def reset_peak_of_process() -> None:
    """Resets the peak on Linux. Other systems keep the peak since the start."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_of_process() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        line = next(s for s in status.read_text().splitlines() if "VmHWM" in s)
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def gpu_peak_reader() -> Callable[[], int] | None:
    """Returns a function for the peak bytes of the GPU's allocator from now on."""
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
        import torch

        torch.cuda.reset_peak_memory_stats()
        start = torch.cuda.memory_allocated()
        return lambda: torch.cuda.max_memory_allocated() - start
    if os.environ.get("KERAS_BACKEND") == "jax":
        import jax

        device = jax.devices()[0]
        if device.platform != "gpu":
            return None
        start = device.memory_stats()["bytes_in_use"]
        return lambda: device.memory_stats()["peak_bytes_in_use"] - start
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        if not tf.config.list_physical_devices("GPU"):
            return None
        tf.config.experimental.reset_memory_stats("GPU:0")
        start = tf.config.experimental.get_memory_info("GPU:0")["current"]
        return lambda: tf.config.experimental.get_memory_info("GPU:0")["peak"] - start
    return None
