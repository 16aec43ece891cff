"""Which routes compute the weighted sum, and the choice between them by size."""

from typing import NamedTuple

import keras
from keras import ops

from keras_nonlocal.layers.affinity import SOFTMAX_MODES
from keras_nonlocal.layers.sizes import is_known, largest
from keras_nonlocal.tensors import Tensor

_SOFTMAX_ROUTES = ("auto", "naive", "chunked", "fused")
ROUTES = {
    **dict.fromkeys(SOFTMAX_MODES, _SOFTMAX_ROUTES),
    "dot_product": ("auto", "naive", "associative"),
    "concatenation": ("auto", "naive", "sorted"),
}

# Fewer pairs (i, j), summed over the batch, are not worth sorting.
_MIN_PAIRS_TO_SORT = 2**19
# Assumed number of positions where it is unknown when a graph is built.
_ASSUMED_POSITIONS = 2**13
# N×M matrices at the peak of a training step: the weights, their gradient and that of
# the logits. With a mask, also the masked weights and their gradient.
_MATRICES = 3
_MATRICES_WITH_MASK = 5
_LARGEST_INT32 = 2**31 - 1


class Choice(NamedTuple):
    """The routes for few and for many pairs (i, j).

    Attributes:
        few: The route for up to `most` pairs, the faster one. It builds the N×M matrix.
        many: The route for more pairs.
        most: Number of pairs, summed over the batch, or `None` if the routes are equal.
    """

    few: str
    many: str
    most: int | None


def pairs_that_fit(memory_limit: int, dtype: str, has_mask: bool) -> int:
    """Returns the number of pairs whose weights and gradients fit into a limit.

    Args:
        memory_limit: Bytes.
        dtype: The dtype of the weights.
        has_mask: Whether some keys are masked.
    """
    matrices = _MATRICES_WITH_MASK if has_mask else _MATRICES
    return memory_limit // (matrices * (8 if dtype == "float64" else 4))


def choose_route(
    mode: str,
    theta_shape: tuple[int | None, ...],
    phi_shape: tuple[int | None, ...],
    width_g: int,
    most: int,
) -> Choice:
    """Returns the fastest routes of which the memory is within a limit.

    Args:
        mode: One of `MODES`.
        theta_shape: `(batch, N, d)`; all but the widths may be `None`.
        phi_shape: `(batch, M, d)`.
        width_g: Channels of g, d_g.
        most: Number of pairs that fit into the limit, from `pairs_that_fit`.

    Returns:
        Routes of `ROUTES[mode]`, or `"mixed"`, see `weighted_sum`.
    """
    width: int = theta_shape[-1]  # type: ignore[assignment]
    if mode == "dot_product":
        queries, keys = _assumed(theta_shape[1]), _assumed(phi_shape[1])
        naive = queries * keys * (width + width_g)
        if (queries + keys) * width * width_g < naive:
            return Choice("associative", "associative", None)
        return Choice("naive", "associative", most)
    if mode == "concatenation":
        return Choice("naive", "sorted", min(most, _MIN_PAIRS_TO_SORT - 1))
    # Only PyTorch's kernel is fast and linear in memory on every device, provided that
    # keys and values have the same width.
    if keras.backend.backend() == "torch" and width == width_g:
        return Choice("fused", "fused", None)
    return Choice("naive", "mixed", most)


def has_at_most(theta: Tensor, phi: Tensor, most: int) -> Tensor:
    """Whether there are at most so many pairs: a `bool`, or a scalar tensor.

    Args:
        theta: `(batch, N, d)`.
        phi: `(batch, M, d)`.
        most: Number of pairs, summed over the batch.
    """
    batch, queries, _ = ops.shape(theta)
    keys = ops.shape(phi)[1]
    if all(map(is_known, (batch, queries, keys))):
        return batch * queries * keys <= most
    if keras.backend.backend() != "tensorflow":
        return False  # JAX exports functions for all sizes.
    # The product of all three may not be an int32.
    most = min(most, _LARGEST_INT32)
    return keys <= most // largest(queries, 1) // largest(batch, 1)


def _assumed(positions: int | None) -> int:
    return positions if isinstance(positions, int) else _ASSUMED_POSITIONS
