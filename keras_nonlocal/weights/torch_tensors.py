"""PyTorch's tensors inside pickles: storages, views on them, parameters."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keras_nonlocal.weights.errors import MalformedError
from keras_nonlocal.weights.numpy_pickle import (
    MAX_RANK,
    NUMPY_CONSTRUCTORS,
    PLAIN_CONSTRUCTORS,
)
from keras_nonlocal.weights.pickle_values import Constructor, Global, text

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
    """A run of numbers that tensors look into.

    Attributes:
        key: Its name in the file.
        item_type: A NumPy type code, or `"bfloat16"`.
        num_items: Its length in items.
        first_item: Where it begins in the stored run (old files share runs).
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

    def items(self, raw: memoryview, byte_order: str) -> np.ndarray:
        """The numbers in `raw`; bfloat16 widened to float32."""
        if self.item_type != _BFLOAT16:
            return np.frombuffer(raw, np.dtype(byte_order + self.item_type))
        halves = np.frombuffer(raw, np.dtype(byte_order + "u2"))
        return (halves.astype(np.uint32) << 16).view(np.float32)


@dataclass(frozen=True)
class Tensor:
    """A strided view on a storage, all in items."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def view(self, items: np.ndarray) -> np.ndarray:
        """The tensor as a view on its storage's items, checked against its bounds."""
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
        return np.lib.stride_tricks.as_strided(
            items[self.offset :],
            self.shape,
            tuple(stride * items.itemsize for stride in self.strides),
            writeable=False,
        )


def read_storage_id(identifier: Any) -> tuple[Storage, Storage]:
    """Reads a persistent id: `("storage", type, key, device, num_items, …)`.

    Returns:
        The storage, and the stored run that it is all or a part of.
    """
    if not isinstance(identifier, tuple) or len(identifier) not in (5, 6):
        raise MalformedError("The torch file refers to a storage of unknown layout.")
    kind, storage_type, key, _, num_items = identifier[:5]
    name = storage_type.name if isinstance(storage_type, Global) else ""
    name = name.removeprefix("torch ")
    if text(kind) != "storage" or name not in _ITEM_TYPES:
        raise MalformedError(f"The torch file holds a storage of the type {name!r}.")
    stored = Storage(text(key), _ITEM_TYPES[name], _count(num_items))
    if len(identifier) == 5 or identifier[5] is None:
        return stored, stored
    view = identifier[5]
    if not isinstance(view, tuple) or len(view) != 3:
        raise MalformedError("The torch file holds a storage view of unknown layout.")
    part = replace(stored, first_item=_count(view[1]), num_items=_count(view[2]))
    return part, stored


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**48:
        raise MalformedError("The torch file holds a size that is no size.")
    return value


def _sizes(value: Any) -> tuple[int, ...]:
    if not isinstance(value, tuple) or len(value) > MAX_RANK:
        raise MalformedError("The torch file holds a tensor without a proper shape.")
    return tuple(_count(size) for size in value)


def _rebuild_tensor(arguments: tuple[Any, ...]) -> Tensor:
    if len(arguments) < 4 or not isinstance(arguments[0], Storage):
        raise MalformedError("The torch file holds a tensor without a storage.")
    shape, strides = _sizes(arguments[2]), _sizes(arguments[3])
    if len(shape) != len(strides):
        raise MalformedError("The torch file holds a tensor without proper strides.")
    return Tensor(arguments[0], _count(arguments[1]), shape, strides)


def _rebuild_parameter(arguments: tuple[Any, ...]) -> Any:
    if not arguments or not isinstance(arguments[0], Tensor):
        raise MalformedError("The torch file holds a parameter without a tensor.")
    return arguments[0]


def _rebuild_size(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    if len(arguments) != 1 or not isinstance(arguments[0], (list, tuple)):
        raise MalformedError("The torch file holds a size that is no size.")
    return _sizes(tuple(arguments[0]))


def _nothing(arguments: tuple[Any, ...]) -> None:
    return None


def _not_callable(name: str) -> Constructor:
    def refuse(arguments: tuple[Any, ...]) -> Any:
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


def materialized(
    value: Any, items_of: Callable[[Storage], np.ndarray], depth: int = 2
) -> Any:
    """Replaces tensors by arrays, in dicts down to the second level.

    Args:
        value: What the pickle holds.
        items_of: Finds the numbers of a stored run.
        depth: Levels of dicts that are left.
    """
    if isinstance(value, Tensor):
        return value.view(items_of(value.storage))
    if isinstance(value, Global):
        return None
    if isinstance(value, dict) and depth:
        return {
            key: materialized(item, items_of, depth - 1) for key, item in value.items()
        }
    return value
