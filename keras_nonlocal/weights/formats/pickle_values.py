"""Values in a pickle other than numbers, text and containers."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from keras_nonlocal.weights.errors import MalformedError
from keras_nonlocal.weights.formats.budget import Budget

MAX_NAME_BYTES = 4096

# Replaces a global of the file. It takes the arguments of the call in the file, charges
# the budget and returns plain data.
Constructor = Callable[[tuple[Any, ...], Budget], Any]

_SCALAR_KEYS = (str, int, bool, type(None))
# Larger integers have colliding hashes, which would make dicts quadratic.
_MAX_INTEGER_KEY = 2**60


class Global:
    """A name in the file that the table of constructors contains."""

    def __init__(self, name: str, construct: Constructor) -> None:
        self.name = name
        self.construct = construct


class Buildable(ABC):
    """An object whose state follows in a `BUILD` operation."""

    @abstractmethod
    def build(self, state: Any, budget: Budget) -> None:
        """Takes the state and charges for what it keeps."""


def dictionary_key(key: Any, budget: Budget) -> Any:
    """Returns a checked key: a scalar whose hash is fast and does not collide."""
    if isinstance(key, memoryview):  # a string of Python 2
        return text(key, budget)
    if not isinstance(key, _SCALAR_KEYS):
        raise MalformedError(
            f"The pickle uses a {type(key).__name__} as the key of a dict."
        )
    if isinstance(key, int) and abs(key) > _MAX_INTEGER_KEY:
        raise MalformedError(
            "The pickle uses an enormous integer as the key of a dict."
        )
    return key


def text(value: Any, budget: Budget) -> str:
    """Returns a string in the file, which Python 2 may have written as bytes."""
    if isinstance(value, str):
        return value
    if isinstance(value, memoryview) and len(value) <= MAX_NAME_BYTES:
        budget.charge(len(value))
        return str(value, "latin-1")
    raise MalformedError("The pickle holds something else where a name belongs.")
