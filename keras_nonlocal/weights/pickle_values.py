"""What stands in a pickle beside numbers, text and containers."""

from collections.abc import Callable
from typing import Any

from keras_nonlocal.weights.errors import MalformedError

MAX_NAME_BYTES = 4096

# What a global of the file stands for: takes the arguments of the call that the file
# asks for and returns plain data.
Constructor = Callable[[tuple[Any, ...]], Any]

_SCALAR_KEYS = (str, int, float, bool, type(None))


class Global:
    """A name in the file that the table of constructors knows."""

    def __init__(self, name: str, construct: Constructor) -> None:
        self.name = name
        self.construct = construct


class Buildable:
    """An object whose state follows in a `BUILD` operation."""

    def build(self, state: Any) -> None:
        """Takes the state."""
        raise NotImplementedError


def dictionary_key(key: Any) -> Any:
    """A checked key: scalars only, whose hash takes no time."""
    if isinstance(key, memoryview):  # a string of Python 2
        return text(key)
    if not isinstance(key, _SCALAR_KEYS):
        raise MalformedError(
            f"The pickle uses a {type(key).__name__} as the key of a dict."
        )
    return key


def text(value: Any) -> str:
    """A string of the file, which Python 2 may have written as bytes."""
    if isinstance(value, str):
        return value
    if isinstance(value, memoryview) and len(value) <= MAX_NAME_BYTES:
        return str(value, "latin-1")
    raise MalformedError("The pickle holds something else where a name belongs.")
