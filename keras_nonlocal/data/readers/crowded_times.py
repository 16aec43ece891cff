"""Timestamps that are too close to each other to be right.

A program stream has a timestamp only for the first frame that begins in a packet of the
stream. FFmpeg sometimes gives it to the frame that ends there, too, and counts on from
it until the next timestamp corrects the count.
"""

from bisect import bisect_right

import numpy as np

from keras_nonlocal.data.readers.timeline import UNKNOWN

# In frames. Less is rounding, or a field that is repeated.
_TOLERANCE = 0.75
# If fewer timestamps remain, the rate is not that of the frames.
_LEAST_SHARE = 2 / 3


def without_crowded_times(
    shown_at: np.ndarray, sources: np.ndarray, step: float
) -> np.ndarray:
    """Replaces timestamps by `UNKNOWN` where frames would follow too fast.

    As many timestamps as possible remain.

    Args:
        shown_at: Timestamps in presentation order, or `UNKNOWN`, shape `(frames,)`.
        sources: The packet number of each frame, shape `(frames,)`.
        step: Shortest time from one frame to the next, in units of the timestamps.

    Returns:
        The timestamps, ascending where they are known, shape `(frames,)`.
    """
    # The last one of several equal timestamps is the right one.
    order = np.lexsort([sources, shown_at])
    is_last = np.append(np.diff(shown_at[order]) != 0, True)
    is_right = np.zeros(len(order), bool)
    is_right[order[is_last]] = True
    known = np.flatnonzero(is_right & (shown_at != UNKNOWN))
    if not len(known):
        return shown_at
    delays = (shown_at[known] - shown_at[known[0]]) / step - (known - known[0])
    kept = _longest_ascent(np.floor(delays + 1 - _TOLERANCE))
    if len(kept) < _LEAST_SHARE * len(known):
        return shown_at
    remaining = np.full_like(shown_at, UNKNOWN)
    remaining[known[kept]] = shown_at[known[kept]]
    return remaining


def _longest_ascent(values: np.ndarray) -> list[int]:
    """Returns the places of a longest subsequence that never descends."""
    # For each length, the smallest value at which a subsequence ends, and its place.
    ends: list[float] = []
    places: list[int] = []
    before = [-1] * len(values)
    for place, value in enumerate(values.tolist()):
        length = bisect_right(ends, value)
        before[place] = places[length - 1] if length else -1
        ends[length : length + 1] = [value]
        places[length : length + 1] = [place]
    ascent = []
    place = places[-1]
    while place >= 0:
        ascent.append(place)
        place = before[place]
    return ascent[::-1]
