"""`ReadError`: the base of errors that name a file which cannot be read."""

from typing import Any, ClassVar


class ReadError(ValueError):
    """Raised if a file cannot be read. The message names the file and the reason.

    Args:
        path: The file.
        reason: Why it cannot be read.
        segment: Begin and end in seconds of the requested part, or `None` for the whole
            file.
    """

    medium: ClassVar[str] = "file"

    def __init__(
        self, path: str, reason: str, segment: tuple[float, float] | None = None
    ) -> None:
        super().__init__(f"Cannot read the {self.medium} {path!r}: {reason}.")
        self.path = path
        self.reason = reason
        self.segment = segment

    def __reduce__(self) -> tuple[type["ReadError"], tuple[Any, ...]]:
        return type(self), (self.path, self.reason, self.segment)
