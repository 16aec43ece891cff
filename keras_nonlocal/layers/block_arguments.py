"""Checks of the arguments and the input shape of `NonLocalBlock`."""

from collections.abc import Sequence

NORMALIZATIONS = ("batch", "frozen_batch", "synchronized_batch", None)
DATA_FORMATS = ("channels_last", "channels_first", None)
# Arguments that are saved as they are.
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
)


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Raises where `value` is not one of `choices`."""
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {tuple(choices)}. Received: {name}={value!r}"
        )


def is_positive_int(value: object) -> bool:
    """Whether `value` is an integer of at least 1; `True` is not."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def check_positive_int(name: str, value: object) -> None:
    """Raises where `value` is neither `None` nor an integer of at least 1."""
    if value is not None and not is_positive_int(value):
        raise ValueError(
            f"`{name}` must be a positive integer or None. Received: {name}={value!r}"
        )


def standardize_pool_size(
    pool_size: int | Sequence[int] | None,
) -> int | tuple[int, ...] | None:
    """`pool_size` with a tuple for a list, checked as far as no input is needed."""
    if pool_size is None:
        return None
    sizes = pool_size if isinstance(pool_size, (list, tuple)) else (pool_size,)
    if not 1 <= len(sizes) <= 3 or not all(is_positive_int(size) for size in sizes):
        raise ValueError(
            "`pool_size` must be None, a positive integer, or one positive integer for "
            f"each of the 1 to 3 position axes. Received: pool_size={pool_size!r}"
        )
    return pool_size if isinstance(pool_size, int) else tuple(sizes)


def check_fraction(name: str, value: float) -> None:
    """Raises where `value` is not a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"`{name}` must be a number. Received: {name}={value!r}")
    if not 0 <= value <= 1:
        raise ValueError(f"`{name}` must be from 0 to 1. Received: {name}={value!r}")


def standardize_query_position(
    query_position: Sequence[int], sizes: tuple[int | None, ...]
) -> tuple[int, ...]:
    """A tuple of one index per position axis, after checking that it is inside."""
    position = tuple(query_position)
    inside = len(position) == len(sizes) and all(
        isinstance(index, int) and index >= 0 and (size is None or index < size)
        for index, size in zip(position, sizes, strict=False)
    )
    if not inside:
        raise ValueError(
            "`query_position` must have one index, from 0, for each position axis. "
            f"Received: query_position={query_position!r} for axes of sizes {sizes}"
        )
    return position


def check_rank(input_shape: Sequence[int | None]) -> None:
    """Raises where the inputs have not one to three position axes."""
    if not 3 <= len(input_shape) <= 5:
        raise ValueError(
            "`inputs` must have rank 3, 4 or 5: a batch axis, one to three position "
            f"axes and a channel axis. Received: inputs.shape={tuple(input_shape)}"
        )


def input_channels(input_shape: Sequence[int | None], data_format: str) -> int:
    """Number of channels, after checking that it is known and not 0."""
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
    """Sizes of the position axes of `(batch, …)`."""
    sizes = input_shape[1:-1] if data_format == "channels_last" else input_shape[2:]
    return tuple(sizes)
