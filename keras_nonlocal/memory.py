"""The memory that this process may use."""

import os

from keras_nonlocal import control_groups

# Files of the two versions of control groups.
_LIMITS = ("memory.max", "memory.limit_in_bytes")


def memory_of_process() -> int | None:
    """Returns the bytes of memory available to this process, used or not.

    They are fewer than those of the machine if a container or a cluster's scheduler
    limits the memory. On systems that do not tell, the result is `None`.
    """
    return min([*_memory_of_machine(), *_limits()], default=None)


def _memory_of_machine() -> list[int]:
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows; no such name
        return []
    return [memory] if memory > 0 else []


def _limits() -> list[int]:
    """Returns the limits of the control groups of this process."""
    limits = []
    for folder in control_groups.folders("memory"):
        for name in _LIMITS:
            words = control_groups.words(folder / name)
            # `max` stands for no limit; in the first version, a huge number does.
            if len(words) == 1 and words[0].isdecimal() and int(words[0]):
                limits.append(int(words[0]))
    return limits
