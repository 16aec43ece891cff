"""`FailurePolicy`: raises errors for unreadable files, or leaves them out."""

import logging
import threading
from collections.abc import Callable
from typing import Any, Literal

from keras_nonlocal.arguments import check_count
from keras_nonlocal.data.readers.read_error import ReadError
from keras_nonlocal.files import printable

OnError = Literal["raise", "skip"] | Callable[[Any], None]

# The name of a video or a segment, and its number if known.
_Element = tuple[str, int | None]

_LOGGER = logging.getLogger("keras_nonlocal")


class FailurePolicy:
    """Raises errors for files that cannot be read, or leaves out and reports them.

    The files are videos or, in `coco_dataset`, pictures.

    Args:
        on_error: `"raise"` stops at the first file that cannot be read. `"skip"` leaves
            it out of the epoch and logs one warning to the logger `keras_nonlocal` at
            the end of the epoch. A function is called with the `VideoError` or
            `ImageError`; the file is left out unless the function raises.
        max_errors: Maximum number of files, or segments of videos, to leave out.

    Attributes:
        raised: The raised error, because TensorFlow passes on only its text.
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
        self._medium = "video"
        self._lock = threading.Lock()
        self.raised: ReadError | None = None

    @property
    def leaves_out(self) -> bool:
        """Whether an epoch may be shorter than the list of videos."""
        return self._on_error != "raise"

    @property
    def max_errors(self) -> int:
        """Number of files that may be left out."""
        return self._max_errors if self.leaves_out else 0

    @property
    def reasons(self) -> dict[str, str]:
        """Mapping from each video left out so far to the reason.

        A segment of a video is named `path (from 1.5 s to 4.0 s)`.
        """
        with self._lock:
            return {name: reason for (name, _), reason in self._reasons.items()}

    @property
    def on_error(self) -> OnError:
        """The argument of the constructor."""
        return self._on_error

    def renewed(self) -> "FailurePolicy":
        """Returns a new policy with the same arguments."""
        return FailurePolicy(self._on_error, self._max_errors)

    def handle(self, error: ReadError, index: int | None = None) -> None:
        """Returns if the video is to be left out, and otherwise raises an error.

        Args:
            error: The error, which names the video or its segment.
            index: Index of the video, since a list may contain it several times.
        """
        if self._on_error == "raise":
            self.raised = error
            raise error
        if callable(self._on_error):
            self._on_error(error)
        element = _name(error), index
        with self._lock:
            self._medium = error.medium
            self._reasons[element] = error.reason
            self._new.add(element)
            num_errors = len(self._reasons)
        if num_errors > self._max_errors:
            self.raised = type(error)(
                error.path,
                f"{error.reason}, and with it more than max_errors="
                f"{self._max_errors} {error.medium}s were left out",
                error.segment,
            )
            raise self.raised

    def report(self, when: str = "of this epoch") -> None:
        """Logs one warning that lists the videos left out since the last report.

        Args:
            when: Ends the sentence "2 unreadable videos were left out …".
        """
        with self._lock:
            lines = [
                f"{printable(name)}: {self._reasons[name, index]}"
                for name, index in sorted(self._new, key=lambda element: element[0])
            ]
            self._new.clear()
        if lines and self._on_error == "skip":
            _LOGGER.warning(
                "%d unreadable %s left out %s:\n%s",
                len(lines),
                f"{self._medium} was" if len(lines) == 1 else f"{self._medium}s were",
                when,
                "\n".join(lines),
            )


def _name(error: ReadError) -> str:
    if error.segment is None:
        return error.path
    begin, end = error.segment
    return f"{error.path} (from {float(begin)} s to {float(end)} s)"
