"""The frames of a video in which objects are searched, and their groups."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_nonlocal.arguments import is_integer

Every = int | str

_SECONDS = re.compile(r"(\d+(?:\.\d*)?|\.\d+) *s")
# Times are rounded to the clock of the container.
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class FrameChoice:
    """Every n-th frame of a video, or the frames that are shown every t seconds.

    Args:
        frames: Number of frames from one to the next, or `None` for `seconds`.
        seconds: Seconds from one to the next.
    """

    frames: int | None = None
    seconds: float | None = None

    @classmethod
    def of(cls, every: Any) -> "FrameChoice":
        """Returns the choice for an argument `every`, such as `5` or `"0.5s"`.

        Raises:
            TypeError: If it is neither an integer nor a string.
            ValueError: If it is not positive.
        """
        if not is_integer(every) and not isinstance(every, str):
            raise TypeError(
                '`every` must be a number of frames, or of seconds as in "0.5s". '
                f"Received: every={every!r}"
            )
        text = str(every).strip()
        if match := _SECONDS.fullmatch(text):
            seconds = float(match[1])
            if 0 < seconds < math.inf:
                return cls(seconds=seconds)
        elif text.isdecimal() and int(text) > 0:
            return cls(frames=int(text))
        raise ValueError(
            "`every` must be a positive number of frames, or of seconds as in "
            f'"0.5s". Received: every={every!r}'
        )

    @property
    def text(self) -> int | str:
        """One spelling of the argument, for files."""
        if self.frames is not None:
            return self.frames
        return f"{self.seconds!r}s"

    def indices(self, times: np.ndarray) -> np.ndarray:
        """Returns the chosen frames, ascending; the first frame is always one.

        With `seconds`, it is each frame that is on the screen at a multiple of them.

        Args:
            times: Presentation times in seconds, ascending, shape `(frames,)`.
        """
        if self.seconds is None or not len(times):
            return np.arange(0, len(times), self.frames or 1)
        begins = (times - times[0]) / self.seconds
        tolerance = _TOLERANCE / self.seconds
        step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        ends = np.append(begins[1:], begins[-1] + step / self.seconds)
        is_chosen = np.ceil(begins - tolerance) < ends - tolerance
        is_chosen[0] = True
        return np.flatnonzero(is_chosen)


def group_ends(
    indices: np.ndarray, batch_size: int, most_frames: int | None
) -> Iterator[int]:
    """Divides the chosen frames into batches, and yields the end of each.

    A batch only depends on the frames and on the arguments. A resumed run therefore has
    the same batches, and its results are the same to the last digit.

    Args:
        indices: The chosen frames.
        batch_size: Most frames in a batch.
        most_frames: Most frames of the video from the first frame of a batch to its
            last one, which must be kept until the batch is complete. `None`: any.
    """
    begin = 0
    for place in range(1, len(indices) + 1):
        is_full = place - begin == batch_size or place == len(indices)
        if not is_full and most_frames is not None:
            is_full = indices[place] - indices[begin] >= most_frames
        if is_full:
            yield place
            begin = place
