"""A fixed number of foreground and background samples, drawn without replacement."""

from dataclasses import dataclass
from typing import Any

from keras import ops

from keras_nonlocal.detection.matching import BACKGROUND, FOREGROUND, IGNORED


@dataclass(frozen=True)
class Samples:
    """Samples of each picture, the foreground first.

    Attributes:
        indices: Places of the samples, `int32` of shape `(batch, num_samples)`.
        is_foreground: `bool`, shape `(batch, num_samples)`.
        is_used: Whether there is a sample at all, `bool`, shape `(batch, num_samples)`:
            there may be fewer candidates than samples.
    """

    indices: Any
    is_foreground: Any
    is_used: Any

    def take(self, values: Any) -> Any:
        """Returns the rows of `values` `(batch, n, …)` at the samples."""
        return take_rows(values, self.indices)


def sample(
    kinds: Any, noise: Any, num_samples: int, foreground_share: float
) -> Samples:
    """Draws samples; what foreground does not fill, background does.

    Args:
        kinds: `FOREGROUND`, `BACKGROUND` or anything else, shape `(batch, n)`.
        noise: Numbers from 0 to below 1, shape `(batch, n)`; the largest are drawn.
        num_samples: Samples per picture.
        foreground_share: Largest share of foreground among them.

    Returns:
        The samples; `num_samples` of them, or `n` if that is less.
    """
    num_candidates = kinds.shape[-1]
    last = ops.shape(kinds)[-1] - 1
    if num_candidates is None:
        # There may be fewer candidates: some that never count keep the shapes known.
        num_candidates = num_samples
        kinds = ops.pad(kinds, [(0, 0), (0, num_samples)], constant_values=IGNORED)
        noise = ops.pad(noise, [(0, 0), (0, num_samples)])
    most = min(int(foreground_share * num_samples), num_candidates)
    foreground, is_foreground = _drawn(kinds == FOREGROUND, noise, most)
    num_foreground = ops.sum(ops.cast(is_foreground, "int32"), axis=-1, keepdims=True)
    limit = min(num_samples, num_candidates)
    background, is_background = _drawn(kinds == BACKGROUND, noise, limit)
    places = ops.arange(limit, dtype="int32")[None]
    is_background = is_background & (places < num_samples - num_foreground)
    indices = ops.concatenate([foreground, background], axis=-1)
    # Foreground, then background, then nothing, in the order in which they were drawn.
    rank = ops.concatenate(
        [
            2 * ops.cast(is_foreground, "int32"),
            ops.cast(is_background, "int32"),
        ],
        axis=-1,
    )
    slots = most + limit
    order = rank * slots - ops.arange(slots, dtype="int32")[None]
    _, chosen = ops.top_k(order, limit)
    rank = ops.take_along_axis(rank, chosen, axis=-1)
    indices = ops.take_along_axis(indices, chosen, axis=-1)
    indices = ops.minimum(ops.cast(indices, "int32"), last)
    return Samples(indices, rank == 2, rank > 0)


def take_rows(values: Any, indices: Any) -> Any:
    """Returns rows of each picture.

    Args:
        values: Shape `(batch, n, …)`.
        indices: Shape `(batch, k)`.

    Returns:
        Shape `(batch, k, …)`.
    """
    shape = (*indices.shape, *(1,) * (len(values.shape) - 2))
    indices = ops.reshape(indices, (-1, *shape[1:]))
    return ops.take_along_axis(values, indices, axis=1)


def _drawn(is_candidate: Any, noise: Any, count: int) -> tuple[Any, Any]:
    """Returns the candidates with the most noise, and whether each is one."""
    values, indices = ops.top_k(ops.where(is_candidate, noise, -1.0), count)
    return ops.cast(indices, "int32"), values >= 0
