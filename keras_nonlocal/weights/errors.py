"""The error that all failures to read a checkpoint raise."""

import os
import struct
import tokenize
import zipfile
import zlib


class CheckpointError(ValueError):
    """Raised if a checkpoint cannot be read or does not fit the model.

    Args:
        path: The file.
        reason: The problem, in one sentence or several.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{reason} Received: path={os.fspath(path)!r}")
        self.path = os.fspath(path)
        self.reason = reason


class MalformedError(Exception):
    """Internal error of a reader, which does not know the path."""


# Errors that libraries raise for a damaged file.
PARSE_ERRORS = (
    MalformedError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,  # of which `NotImplementedError` is a kind
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def described(error: BaseException) -> str:
    """Describes one of `PARSE_ERRORS` for a `CheckpointError`."""
    if isinstance(error, MalformedError):
        return str(error)
    detail = f"{type(error).__name__}: {str(error)[:200]}"
    return f"The file is damaged ({detail})."
