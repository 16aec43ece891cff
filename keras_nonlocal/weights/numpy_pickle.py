"""NumPy arrays inside pickles, as Caffe2 checkpoints hold them."""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_nonlocal.weights.errors import MalformedError
from keras_nonlocal.weights.pickle_machine import PickleMachine
from keras_nonlocal.weights.pickle_values import (
    Buildable,
    Constructor,
    dictionary_key,
    text,
)

MAX_RANK = 8

_DTYPE_CODE = re.compile(r"[<>=|]?([biufc])(\d{1,2})|[?bBhHiIlLqQefdg]")


class PickledDtype(Buildable):
    """A numeric dtype whose byte order follows."""

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        code = text(arguments[0]) if arguments else ""
        if not _DTYPE_CODE.fullmatch(code):
            raise MalformedError(f"The pickle holds an array of the type {code!r}.")
        self.value = np.dtype(code)

    def build(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) >= 2:
            order = text(state[1])
            if order in ("<", ">", "=", "|"):
                code = self.value.str[1:]
                self.value = np.dtype(order + code if order in "<>" else code)
                return
        raise MalformedError("The pickle holds an array type without byte order.")


class PickledArray(Buildable):
    """An array whose shape, dtype and bytes follow."""

    def __init__(self) -> None:
        self.value: np.ndarray | None = None

    def build(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise MalformedError("The pickle holds an array of an unknown layout.")
        _, shape, dtype, is_fortran, raw = state
        self.value = array_from_bytes(raw, dtype, shape, "F" if is_fortran else "C")


def array_from_bytes(raw: Any, dtype: Any, shape: Any, order: str = "C") -> np.ndarray:
    """A view of `raw`, checked: as many bytes as `shape` and `dtype` say."""
    if not isinstance(dtype, PickledDtype) or not isinstance(raw, memoryview):
        raise MalformedError("The pickle holds an array of objects, not of numbers.")
    if (
        not isinstance(shape, tuple)
        or len(shape) > MAX_RANK
        or not all(type(size) is int and size >= 0 for size in shape)
        or math.prod(shape) * dtype.value.itemsize != len(raw)
    ):
        raise MalformedError(
            f"The pickle holds an array of shape {str(shape)[:80]} with {len(raw)} "
            "bytes."
        )
    return np.frombuffer(raw, dtype.value).reshape(
        shape, order="F" if order == "F" else "C"
    )


def _reconstruct(arguments: tuple[Any, ...]) -> PickledArray:
    if not arguments or getattr(arguments[0], "name", None) != "numpy ndarray":
        raise MalformedError("The pickle holds a subclass of a NumPy array.")
    return PickledArray()


def _scalar(arguments: tuple[Any, ...]) -> np.ndarray:
    if len(arguments) != 2:
        raise MalformedError("The pickle holds a NumPy scalar of an unknown layout.")
    return array_from_bytes(arguments[1], arguments[0], ())


def _from_buffer(arguments: tuple[Any, ...]) -> np.ndarray:
    # NumPy 2.3 added the order of the axes, for arrays that are neither C nor Fortran.
    if len(arguments) not in (4, 5):
        raise MalformedError("The pickle holds an array of an unknown layout.")
    raw, dtype, shape, order, *axis_order = arguments
    if text(order) != "K" or not axis_order or axis_order[0] is None:
        return array_from_bytes(raw, dtype, shape, text(order))
    axes = axis_order[0]
    array = array_from_bytes(raw, dtype, shape)
    if not isinstance(axes, tuple) or sorted(axes) != list(range(array.ndim)):
        raise MalformedError("The pickle holds an array of an unknown layout.")
    return array.transpose(axes)


def _encode(arguments: tuple[Any, ...]) -> memoryview:
    # What Python 3 writes for bytes in protocol 2: text with one character per byte.
    if (
        len(arguments) != 2
        or not isinstance(arguments[0], str)
        or arguments[1] not in ("latin1", "latin-1")
    ):
        raise MalformedError("The pickle holds bytes in an unknown encoding.")
    return memoryview(arguments[0].encode("latin-1"))


def _bytes(arguments: tuple[Any, ...]) -> memoryview:
    if arguments:
        raise MalformedError("The pickle holds bytes of an unknown layout.")
    return memoryview(b"")


def _no_call(arguments: tuple[Any, ...]) -> Any:
    raise MalformedError("The pickle calls a type that only arrays name.")


def ordered_dict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """`collections.OrderedDict`; its items follow, or are given as pairs (Python 2)."""
    if not arguments:
        return {}
    pairs = arguments[0]
    if not isinstance(pairs, list) or not all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs
    ):
        raise MalformedError("The pickle holds a dict of an unknown layout.")
    return {dictionary_key(key): value for key, value in pairs}


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


def read_numpy_pickle(data: memoryview) -> Any:
    """Reads a pickle of plain containers and NumPy arrays.

    Args:
        data: The whole file.

    Returns:
        Dicts, lists, tuples, scalars, `memoryview`s and arrays.

    Raises:
        MalformedError: If the file holds anything else.
    """
    return resolved(
        PickleMachine(data, {**PLAIN_CONSTRUCTORS, **NUMPY_CONSTRUCTORS}).run()
    )


def resolved(value: Any) -> Any:
    """Replaces stand-ins by arrays, in dicts down to the second level."""
    return _resolved(value, depth=2)


def _resolved(value: Any, depth: int) -> Any:
    if isinstance(value, PickledArray):
        if value.value is None:
            raise MalformedError("The pickle holds an array without its bytes.")
        return value.value
    if isinstance(value, dict) and depth:
        return {key: _resolved(item, depth - 1) for key, item in value.items()}
    return value
