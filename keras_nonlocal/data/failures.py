"""What happens when a video cannot be read."""

import logging
import threading
from collections.abc import Callable
from typing import Literal

from keras_nonlocal.data.arguments import check_count
from keras_nonlocal.data.files import printable
from keras_nonlocal.data.readers import VideoError

OnError = Literal["raise", "skip"] | Callable[[VideoError], None]

# The name of a video or a segment, and its number if it is known.
_Element = tuple[str, int | None]

_LOGGER = logging.getLogger("keras_nonlocal")


class FailurePolicy:
    """Raises, or leaves videos out and says so.

    Args:
        on_error: `"raise"` stops at the first video that cannot be read; `"skip"`
            leaves it out of the epoch, with one warning at the end of the epoch
            to the logger `keras_nonlocal`; a function is called with the
            `VideoError` and either raises or has the video left out.
        max_errors: Videos, or segments of them, that may be left out before it stops
            after all.
    """

    def __init__(self, on_error: OnError = "raise", max_errors: int = 100) -> None:
        if on_error not in ("raise", "skip") and not callable(on_error):
            raise ValueError(
                '`on_error` must be "raise", "skip" or a function of a VideoError. '
                f"Received: on_error={on_error!r}"
            )
        check_count("max_errors", max_errors)
        self._on_error = on_error
        self._max_errors = max_errors
        self._reasons: dict[_Element, str] = {}
        self._new: set[_Element] = set()
        self._lock = threading.Lock()

    @property
    def leaves_out(self) -> bool:
        """Whether an epoch may be shorter than the list of videos."""
        return self._on_error != "raise"

    @property
    def reasons(self) -> dict[str, str]:
        """The videos left out so far, each with the reason.

        A segment of a video is called `path (from 1.5 s to 4.0 s)`.
        """
        with self._lock:
            return {name: reason for (name, _), reason in self._reasons.items()}

    def handle(self, error: VideoError, index: int | None = None) -> None:
        """Returns if the video is to be left out, else raises.

        Args:
            error: Names the video, or the segment of it.
            index: Its number, where the same may come several times.
        """
        if self._on_error == "raise":
            raise error
        if callable(self._on_error):
            self._on_error(error)
        element = _name(error), index
        with self._lock:
            self._reasons[element] = error.reason
            self._new.add(element)
            num_errors = len(self._reasons)
        if num_errors > self._max_errors:
            raise VideoError(
                error.path,
                f"{error.reason}, and with it more than max_errors="
                f"{self._max_errors} videos were left out",
                error.segment,
            )

    def report(self, when: str = "of this epoch") -> None:
        """Warns of the videos that were left out since the last report.

        Args:
            when: What they were left out of, or when.
        """
        with self._lock:
            lines = [
                f"{printable(name)}: {self._reasons[name, index]}"
                for name, index in sorted(self._new, key=lambda element: element[0])
            ]
            self._new.clear()
        if lines and self._on_error == "skip":
            _LOGGER.warning(
                "%d %s left out %s:\n%s",
                len(lines),
                "unreadable video was" if len(lines) == 1 else "unreadable videos were",
                when,
                "\n".join(lines),
            )


def _name(error: VideoError) -> str:
    if error.segment is None:
        return error.path
    begin, end = error.segment
    return f"{error.path} (from {float(begin)} s to {float(end)} s)"
