"""The processors that this process may use: their number, and their units."""

import os
from pathlib import Path

from keras_nonlocal import control_groups

_PROCESSORS = "/proc/cpuinfo"
# Of x86 processors that multiply bfloat16 numbers, as Linux names them.
_BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


def num_processors() -> int:
    """Returns the number of processor cores available to this process.

    It is smaller than the number of cores in the machine if the process is bound to
    some of them or if a container has a CPU quota. A fraction of a core counts as one.
    """
    return max(1, min(_usable_cores(), *_quotas()))


def has_bfloat16_units() -> bool:
    """Whether the processor multiplies bfloat16 numbers faster than float32.

    Only Linux on x86 is asked. Elsewhere, the answer is `False`.
    """
    for line in control_groups.lines(Path(_PROCESSORS)):
        name, _, flags = line.partition(":")
        if name.strip() == "flags":
            return not _BFLOAT16_FLAGS.isdisjoint(flags.split())
    return False


def _usable_cores() -> int:
    if hasattr(os, "process_cpu_count"):  # since Python 3.13
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas() -> list[int]:
    """Yields the CPU quotas, in cores, of the control groups of this process."""
    quotas = [os.cpu_count() or 1]
    for folder in control_groups.folders("cpu"):
        words = control_groups.words(folder / "cpu.max")
        if not words:
            words = control_groups.words(folder / "cpu.cfs_quota_us")
            words += control_groups.words(folder / "cpu.cfs_period_us")
        # `max` and -1 stand for no limit.
        if len(words) == 2 and all(word.isdecimal() and int(word) for word in words):
            quota, period = map(int, words)
            quotas.append(-(-quota // period))
    return quotas
