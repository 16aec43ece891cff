"""NumPy arrays in pickles, as in Caffe2 checkpoints."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from keras_nonlocal.weights.errors import MalformedError
from keras_nonlocal.weights.formats.budget import OBJECT_BYTES, Budget
from keras_nonlocal.weights.formats.pickle_machine import PickleMachine
from keras_nonlocal.weights.formats.pickle_values import (
    Buildable,
    Constructor,
    dictionary_key,
    text,
)

MAX_RANK = 8

_DTYPE_CODE = re.compile(r"[<>=|]?([biufc])(\d{1,2})|[?bBhHiIlLqQefdg]")


class PickledDtype(Buildable):
    """A numeric dtype whose byte order follows."""

    def __init__(self, arguments: tuple[Any, ...], budget: Budget) -> None:
        code = text(arguments[0], budget) if arguments else ""
        if not _DTYPE_CODE.fullmatch(code):
            raise MalformedError(
                f"The pickle holds an array of the type {code[:80]!r}."
            )
        self.value = np.dtype(code)

    def build(self, state: Any, budget: Budget) -> None:
        if isinstance(state, tuple) and len(state) >= 2:
            order = text(state[1], budget)
            if order in ("<", ">", "=", "|"):
                code = self.value.str[1:]
                self.value = np.dtype(order + code if order in "<>" else code)
                return
        raise MalformedError("The pickle holds an array type without byte order.")


class PickledArray(Buildable):
    """An array whose shape, dtype and bytes follow."""

    def __init__(self) -> None:
        self.value: np.ndarray | None = None

    def build(self, state: Any, budget: Budget) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise MalformedError("The pickle holds an array of an unknown layout.")
        _, shape, dtype, is_fortran, raw = state
        self.value = array_from_bytes(raw, dtype, shape, "F" if is_fortran else "C")


def array_from_bytes(raw: Any, dtype: Any, shape: Any, order: str = "C") -> np.ndarray:
    """Returns a view of `raw`, whose length must match `shape` and `dtype`."""
    if not isinstance(dtype, PickledDtype) or not isinstance(raw, memoryview):
        raise MalformedError("The pickle holds an array of objects, not of numbers.")
    if (
        not isinstance(shape, tuple)
        or len(shape) > MAX_RANK
        or not all(type(size) is int and size >= 0 for size in shape)
    ):
        raise MalformedError("The pickle holds an array without a proper shape.")
    if math.prod(shape) * dtype.value.itemsize != len(raw):
        raise MalformedError(
            f"The pickle holds an array of shape {str(shape)[:80]} with {len(raw)} "
            "bytes."
        )
    return np.frombuffer(raw, dtype.value).reshape(
        shape, order="F" if order == "F" else "C"
    )


def _reconstruct(arguments: tuple[Any, ...], budget: Budget) -> PickledArray:
    if not arguments or getattr(arguments[0], "name", None) != "numpy ndarray":
        raise MalformedError("The pickle holds a subclass of a NumPy array.")
    return PickledArray()


def _scalar(arguments: tuple[Any, ...], budget: Budget) -> np.ndarray:
    if len(arguments) != 2:
        raise MalformedError("The pickle holds a NumPy scalar of an unknown layout.")
    return array_from_bytes(arguments[1], arguments[0], ())


def _from_buffer(arguments: tuple[Any, ...], budget: Budget) -> np.ndarray:
    # NumPy 2.3 added the order of the axes, for arrays that are neither C nor Fortran.
    if len(arguments) not in (4, 5):
        raise MalformedError("The pickle holds an array of an unknown layout.")
    raw, dtype, shape, order, *axis_order = arguments
    order = text(order, budget)
    if order != "K" or not axis_order or axis_order[0] is None:
        return array_from_bytes(raw, dtype, shape, order)
    axes = axis_order[0]
    array = array_from_bytes(raw, dtype, shape)
    is_permutation = (
        isinstance(axes, tuple)
        and len(axes) == array.ndim
        and sorted(axes) == list(range(array.ndim))
    )
    if not is_permutation:
        raise MalformedError("The pickle holds an array of an unknown layout.")
    return array.transpose(axes)


def _encode(arguments: tuple[Any, ...], budget: Budget) -> memoryview:
    # In protocol 2, Python 3 writes bytes as text with one character per byte.
    if (
        len(arguments) != 2
        or not isinstance(arguments[0], str)
        or arguments[1] not in ("latin1", "latin-1")
    ):
        raise MalformedError("The pickle holds bytes in an unknown encoding.")
    budget.charge(len(arguments[0]))
    return memoryview(arguments[0].encode("latin-1"))


def _bytes(arguments: tuple[Any, ...], budget: Budget) -> memoryview:
    if arguments:
        raise MalformedError("The pickle holds bytes of an unknown layout.")
    return memoryview(b"")


def _no_call(arguments: tuple[Any, ...], budget: Budget) -> Any:
    raise MalformedError("The pickle calls a type that only arrays name.")


def ordered_dict(arguments: tuple[Any, ...], budget: Budget) -> dict[Any, Any]:
    """Builds an `OrderedDict`, empty or from the pairs that Python 2 writes."""
    if not arguments:
        return {}
    pairs = arguments[0]
    budget.charge(OBJECT_BYTES * len(pairs) if isinstance(pairs, list) else 0)
    if not isinstance(pairs, list) or not all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs
    ):
        raise MalformedError("The pickle holds a dict of an unknown layout.")
    return {dictionary_key(key, budget): value for key, value in pairs}


PLAIN_CONSTRUCTORS: Mapping[str, Constructor] = {
    "collections OrderedDict": ordered_dict,
    "_codecs encode": _encode,
    "__builtin__ bytes": _bytes,
    "builtins bytes": _bytes,
}

NUMPY_CONSTRUCTORS: Mapping[str, Constructor] = {
    "numpy ndarray": _no_call,
    "numpy dtype": PickledDtype,
    **{
        f"{package}.multiarray {name}": constructor
        for package in ("numpy.core", "numpy._core")
        for name, constructor in (("_reconstruct", _reconstruct), ("scalar", _scalar))
    },
    "numpy.core.numeric _frombuffer": _from_buffer,
    "numpy._core.numeric _frombuffer": _from_buffer,
}


def read_numpy_pickle(data: memoryview, budget: Budget) -> Any:
    """Reads a pickle of plain containers and NumPy arrays.

    Args:
        data: The whole file.
        budget: The budget to charge for everything that the pickle builds.

    Returns:
        Dicts, lists, tuples, scalars, `memoryview`s and arrays.

    Raises:
        MalformedError: If the file contains anything else.
    """
    machine = PickleMachine(data, {**PLAIN_CONSTRUCTORS, **NUMPY_CONSTRUCTORS}, budget)
    return resolved(machine.run(), array_of, budget)


def array_of(value: Any) -> Any:
    """Replaces the placeholder of an array with the array."""
    if not isinstance(value, PickledArray):
        return value
    if value.value is None:
        raise MalformedError("The pickle holds an array without its bytes.")
    return value.value


def resolved(
    value: Any, replace: Callable[[Any], Any], budget: Budget, depth: int = 4
) -> Any:
    """Replaces placeholders in dicts down to the fourth level.

    A dict that several keys share is copied and charged for each of them.

    Args:
        value: The content of the pickle.
        replace: Takes a value that is not a dict and returns its replacement.
        budget: The budget to charge for the copies.
        depth: Remaining levels of dicts.
    """
    if not isinstance(value, dict):
        return replace(value)
    if not depth:
        return value
    budget.charge(OBJECT_BYTES * len(value))
    return {
        key: resolved(item, replace, budget, depth - 1) for key, item in value.items()
    }
