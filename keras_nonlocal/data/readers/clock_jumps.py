"""Continuous times for recordings whose clock jumps.

Broadcasts and joined recordings restart their clock, or let it jump, in the middle of a
file. Containers for broadcasting allow this. In these containers, players continue with
the next frame instead of waiting, and so does the `ffmpeg` command.
"""

import numpy as np

from keras_nonlocal.data.readers.timeline import UNKNOWN

# In seconds. A longer time without a frame is a jump.
_LONGEST_GAP = 10.0
# In seconds. A clock that goes further back has restarted.
_MOST_OVERLAP = 0.1


def clock_jumps(
    decoding_times: np.ndarray, durations: np.ndarray, tick: float
) -> np.ndarray:
    """Returns how far the clock has jumped in total, for each packet.

    Args:
        decoding_times: Decoding times in file order, in units of the stream, or
            `UNKNOWN`.
        durations: Durations of the frames, or 0 if they are unknown.
        tick: Unit of the times in seconds.

    Returns:
        The times to subtract, shape `(packets,)`.
    """
    jumps = np.zeros(len(decoding_times), np.int64)
    known = np.flatnonzero(decoding_times != UNKNOWN)
    if len(known) < 2:
        return jumps
    steps = np.diff(decoding_times[known])
    elapsed = np.concatenate([[0], np.cumsum(durations)[:-1]])
    errors = steps - np.diff(elapsed[known])
    is_jump = np.abs(errors) * tick > _LONGEST_GAP
    is_jump |= steps * tick < -_MOST_OVERLAP
    errors[~is_jump] = 0
    totals = np.concatenate([[0], np.cumsum(errors)])
    # A packet without a time belongs to the one before it.
    latest = np.searchsorted(known, np.arange(len(jumps)), "right") - 1
    return np.asarray(totals[np.maximum(latest, 0)])
