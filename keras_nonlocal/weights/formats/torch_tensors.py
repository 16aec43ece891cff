"""PyTorch's tensors in pickles: storages, views of them, and parameters."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keras_nonlocal.weights.errors import MalformedError
from keras_nonlocal.weights.formats.budget import OBJECT_BYTES, Budget
from keras_nonlocal.weights.formats.numpy_pickle import (
    MAX_RANK,
    NUMPY_CONSTRUCTORS,
    PLAIN_CONSTRUCTORS,
    array_of,
)
from keras_nonlocal.weights.formats.pickle_values import Constructor, Global, text

_BFLOAT16 = "bfloat16"
_ITEM_TYPES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": _BFLOAT16,
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
# Dtypes that a checkpoint's metadata may name.
_DTYPE_NAMES = (
    "float64",
    "float32",
    "float16",
    "bfloat16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "bool",
)


@dataclass(frozen=True)
class Storage:
    """A run of numbers that tensors view.

    Attributes:
        key: Its name in the file.
        item_type: A NumPy type code, or `"bfloat16"`.
        num_items: Its length in items.
        first_item: Its start in the stored run. Old files share runs between storages.
    """

    key: str
    item_type: str
    num_items: int
    first_item: int = 0

    @property
    def item_size(self) -> int:
        """Bytes per item."""
        if self.item_type == _BFLOAT16:
            return 2
        return np.dtype(self.item_type).itemsize

    def items(self, raw: memoryview, byte_order: str, budget: Budget) -> np.ndarray:
        """Returns the numbers in `raw`, with bfloat16 widened to float32."""
        budget.charge(OBJECT_BYTES)
        if self.item_type != _BFLOAT16:
            return np.frombuffer(raw, np.dtype(byte_order + self.item_type))
        halves = np.frombuffer(raw, np.dtype(byte_order + "u2"))
        budget.charge(4 * len(halves))
        bits = halves.astype(np.uint32)
        bits <<= 16
        return bits.view(np.float32)


@dataclass(frozen=True)
class Tensor:
    """A strided view of a storage, in units of items."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    is_negative: bool = False

    def view(self, items: np.ndarray) -> np.ndarray:
        """Returns a view of the storage's items after a check of its bounds."""
        items = items[self.storage.first_item :][: self.storage.num_items]
        if math.prod(self.shape) == 0:
            return np.zeros(self.shape, items.dtype)
        reach = sum(
            (size - 1) * stride
            for size, stride in zip(self.shape, self.strides, strict=True)
        )
        if self.offset + reach >= len(items) or math.prod(self.shape) > len(items):
            raise MalformedError(
                f"A tensor of shape {self.shape} reaches out of its storage of "
                f"{len(items)} items."
            )
        view = np.lib.stride_tricks.as_strided(
            items[self.offset :],
            self.shape,
            tuple(stride * items.itemsize for stride in self.strides),
            writeable=False,
        )
        # PyTorch stores the imaginary part of a conjugate with the opposite sign.
        return np.negative(view) if self.is_negative else view


def read_storage_id(identifier: Any, budget: Budget) -> tuple[Storage, Storage]:
    """Reads a persistent id: `("storage", type, key, device, num_items, …)`.

    Args:
        identifier: The id.
        budget: The budget to charge for the names.

    Returns:
        The storage, and the stored run that contains it.
    """
    if not isinstance(identifier, tuple) or len(identifier) not in (5, 6):
        raise MalformedError("The torch file refers to a storage of unknown layout.")
    kind, storage_type, key, _, num_items = identifier[:5]
    name = storage_type.name if isinstance(storage_type, Global) else ""
    name = name.removeprefix("torch ")
    if text(kind, budget) != "storage" or name not in _ITEM_TYPES:
        raise MalformedError(f"The torch file holds a storage of the type {name!r}.")
    stored = Storage(text(key, budget), _ITEM_TYPES[name], _count(num_items))
    if len(identifier) == 5 or identifier[5] is None:
        return stored, stored
    view = identifier[5]
    if not isinstance(view, tuple) or len(view) != 3:
        raise MalformedError("The torch file holds a storage view of unknown layout.")
    part = replace(stored, first_item=_count(view[1]), num_items=_count(view[2]))
    return part, stored


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**48:
        raise MalformedError("The torch file holds an invalid size.")
    return value


def _sizes(value: Any) -> tuple[int, ...]:
    if not isinstance(value, tuple) or len(value) > MAX_RANK:
        raise MalformedError("The torch file holds a tensor without a proper shape.")
    return tuple(_count(size) for size in value)


def _rebuild_tensor(arguments: tuple[Any, ...], budget: Budget) -> Tensor:
    if len(arguments) < 4 or not isinstance(arguments[0], Storage):
        raise MalformedError("The torch file holds a tensor without a storage.")
    shape, strides = _sizes(arguments[2]), _sizes(arguments[3])
    if len(shape) != len(strides):
        raise MalformedError("The torch file holds a tensor without proper strides.")
    marks = arguments[6] if len(arguments) > 6 else None
    marks = marks if isinstance(marks, dict) else {}
    if marks.get("conj"):
        raise MalformedError("The torch file holds a tensor of complex numbers.")
    is_negative = bool(marks.get("neg"))
    return Tensor(arguments[0], _count(arguments[1]), shape, strides, is_negative)


def _rebuild_parameter(arguments: tuple[Any, ...], budget: Budget) -> Any:
    if not arguments or not isinstance(arguments[0], Tensor):
        raise MalformedError("The torch file holds a parameter without a tensor.")
    return arguments[0]


def _rebuild_size(arguments: tuple[Any, ...], budget: Budget) -> tuple[int, ...]:
    if (
        len(arguments) != 1
        or not isinstance(arguments[0], (list, tuple))
        or len(arguments[0]) > MAX_RANK
    ):
        raise MalformedError("The torch file holds an invalid size.")
    return _sizes(tuple(arguments[0]))


def _nothing(arguments: tuple[Any, ...], budget: Budget) -> None:
    return None


def _not_callable(name: str) -> Constructor:
    def refuse(arguments: tuple[Any, ...], budget: Budget) -> Any:
        raise MalformedError(f"The torch file calls `{name}`.")

    return refuse


TORCH_CONSTRUCTORS: Mapping[str, Constructor] = {
    **PLAIN_CONSTRUCTORS,
    **NUMPY_CONSTRUCTORS,
    "torch._utils _rebuild_tensor": _rebuild_tensor,
    "torch._utils _rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils _rebuild_parameter": _rebuild_parameter,
    "torch Size": _rebuild_size,
    "torch device": _nothing,
    **{
        f"torch {name}": _not_callable(f"torch.{name}")
        for name in (*_ITEM_TYPES, *_DTYPE_NAMES)
    },
}


def tensor_values(
    value: Any, items_of: Callable[[Storage], np.ndarray], budget: Budget
) -> Any:
    """Replaces tensors with arrays, and other values of a torch file with plain ones.

    Args:
        value: A value that is not a dict.
        items_of: Returns the items of a stored run.
        budget: The budget to charge for the array.
    """
    if isinstance(value, Tensor):
        budget.charge(2 * OBJECT_BYTES)
        return value.view(items_of(value.storage))
    return None if isinstance(value, Global) else array_of(value)
