"""The one error that reading a checkpoint can end in."""

import os


class CheckpointError(ValueError):
    """A checkpoint file that cannot be read, or does not fit the model.

    Args:
        path: The file.
        reason: What is wrong with it, in one sentence or a list.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{reason} Received: path={os.fspath(path)!r}")
        self.path = os.fspath(path)
        self.reason = reason


class MalformedError(Exception):
    """Internal: what a reader found wrong, before the path is known to the caller."""
