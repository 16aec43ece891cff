"""What happens when a video cannot be read."""

import logging
import threading
from collections.abc import Callable
from typing import Literal

from keras_nonlocal.data.arguments import check_positive_integer
from keras_nonlocal.data.files import printable
from keras_nonlocal.data.readers import VideoError

OnError = Literal["raise", "skip"] | Callable[[VideoError], None]

_LOGGER = logging.getLogger("keras_nonlocal")


class FailurePolicy:
    """Raises, or leaves videos out and says so.

    Args:
        on_error: `"raise"` stops at the first video that cannot be read; `"skip"`
            leaves it out of the epoch, with one warning at the end of the epoch
            to the logger `keras_nonlocal`; a function is called with the
            `VideoError` and either raises or has the video left out.
        max_errors: Videos that may be left out before it stops after all.
    """

    def __init__(self, on_error: OnError = "raise", max_errors: int = 100) -> None:
        if on_error not in ("raise", "skip") and not callable(on_error):
            raise ValueError(
                '`on_error` must be "raise", "skip" or a function of a VideoError. '
                f"Received: on_error={on_error!r}"
            )
        check_positive_integer("max_errors", max_errors)
        self._on_error = on_error
        self._max_errors = max_errors
        self._reasons: dict[str, str] = {}
        self._new: set[str] = set()
        self._lock = threading.Lock()

    @property
    def leaves_out(self) -> bool:
        """Whether an epoch may be shorter than the list of videos."""
        return self._on_error != "raise"

    @property
    def reasons(self) -> dict[str, str]:
        """The videos left out so far, each with the reason."""
        with self._lock:
            return dict(self._reasons)

    def handle(self, error: VideoError) -> None:
        """Returns if the video is to be left out, else raises."""
        if self._on_error == "raise":
            raise error
        if callable(self._on_error):
            self._on_error(error)
        with self._lock:
            self._reasons[error.path] = error.reason
            self._new.add(error.path)
            num_errors = len(self._reasons)
        if num_errors > self._max_errors:
            raise VideoError(
                error.path,
                f"{error.reason}, and with it more than max_errors="
                f"{self._max_errors} videos were left out",
            )

    def report(self, when: str = "of this epoch") -> None:
        """Warns of the videos that were left out since the last report.

        Args:
            when: What they were left out of, or when.
        """
        with self._lock:
            lines = [
                f"{printable(path)}: {self._reasons[path]}"
                for path in sorted(self._new)
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
