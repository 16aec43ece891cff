"""Checks of the arguments and the input shape of `NonLocalBlock`."""

from collections.abc import Sequence
from typing import Any, Literal, TypedDict, get_args

from keras_nonlocal.arguments import check_positive_integer, integers, is_integer
from keras_nonlocal.tensors import Tensor

Mode = Literal["gaussian", "embedded_gaussian", "dot_product", "concatenation"]
Scope = Literal["spacetime", "space", "time"]
Route = Literal["auto", "naive", "chunked", "fused", "associative", "sorted"]
Normalization = Literal["batch", "frozen_batch", "synchronized_batch"]
DataFormat = Literal["channels_last", "channels_first"]

NORMALIZATIONS = (*get_args(Normalization), None)
DATA_FORMATS = (*get_args(DataFormat), None)


class NonLocalOptions(TypedDict, total=False):
    """Arguments of `NonLocalBlock` that the builders pass to every block.

    `mode`, `scope`, `pool_size` and `temporal_group_size` are not among them, because
    the builders have an argument for each; `data_format` is that of the network.
    """

    intermediate_channels: int | None
    scale: bool
    use_bias: bool
    kernel_initializer: Any
    bias_initializer: Any
    out_kernel_initializer: Any
    kernel_regularizer: Any
    bias_regularizer: Any
    normalization: Normalization | None
    momentum: float
    epsilon: float
    gamma_initializer: Any
    route: Route
    memory_limit: int | None


# Arguments that are saved unchanged.
PLAIN = (
    "intermediate_channels",
    "mode",
    "scope",
    "pool_size",
    "temporal_group_size",
    "scale",
    "use_bias",
    "normalization",
    "momentum",
    "epsilon",
    "data_format",
    "route",
    "memory_limit",
)


def positive_integer_or_none(name: str, value: Any) -> int | None:
    """Returns `None` or an integer of at least 1."""
    return None if value is None else check_positive_integer(name, value)


def standardize_pool_size(
    pool_size: int | Sequence[int] | None,
) -> int | tuple[int, ...] | None:
    """Checks `pool_size` as far as possible without an input, and makes it hashable."""
    if pool_size is None:
        return None
    sizes = integers((pool_size,) if is_integer(pool_size) else pool_size)
    if sizes is None or not 1 <= len(sizes) <= 3 or min(sizes) < 1:
        raise ValueError(
            "`pool_size` must be None, a positive integer, or one positive integer for "
            f"each of the 1 to 3 position axes. Received: pool_size={pool_size!r}"
        )
    return sizes[0] if is_integer(pool_size) else sizes


def standardize_query_position(
    query_position: Sequence[int], sizes: tuple[int | None, ...]
) -> tuple[int, ...]:
    """Returns a tuple with one index per position axis after checking its bounds."""
    position = integers(query_position)
    if (
        position is None
        or len(position) != len(sizes)
        or not all(
            index >= 0 and (size is None or index < size)
            for index, size in zip(position, sizes, strict=True)
        )
    ):
        raise ValueError(
            "`query_position` must have one index, from 0, for each position axis. "
            f"Received: query_position={query_position!r} for axes of sizes {sizes}"
        )
    return position


def check_rank(input_shape: Sequence[int | None]) -> None:
    """Raises an error unless the inputs have one to three position axes."""
    if not 3 <= len(input_shape) <= 5:
        raise ValueError(
            "`inputs` must have rank 3, 4 or 5: a batch axis, one to three position "
            f"axes and a channel axis. Received: inputs.shape={tuple(input_shape)}"
        )


def check_real(name: str, tensor: Tensor) -> None:
    """Raises an error if a tensor holds complex numbers."""
    dtype = str(tensor.dtype)
    if "complex" in dtype:
        raise ValueError(f"`{name}` must be real. Received: {name}.dtype={dtype}")


def input_channels(input_shape: Sequence[int | None], data_format: str) -> int:
    """Returns the number of channels after checking that it is known and not 0."""
    channels = input_shape[-1 if data_format == "channels_last" else 1]
    if channels is None or channels < 1:
        raise ValueError(
            "The channel axis of `inputs` must have a known size of at least 1. "
            f"Received: inputs.shape={tuple(input_shape)} with "
            f"data_format={data_format!r}"
        )
    return channels


def position_sizes(
    input_shape: Sequence[int | None], data_format: str
) -> tuple[int | None, ...]:
    """Returns the sizes of the position axes of `(batch, …)`."""
    sizes = input_shape[1:-1] if data_format == "channels_last" else input_shape[2:]
    return tuple(sizes)
