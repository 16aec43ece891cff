"""The four pairwise functions, written out as an N×M matrix of weights."""

from typing import Any

from keras import ops

SOFTMAX_MODES = ("gaussian", "embedded_gaussian")
MODES = (*SOFTMAX_MODES, "dot_product", "concatenation")


def pairwise_weights(theta: Any, phi: Any, mode: str, scale: float | None) -> Any:
    """Weights `f(x_i, x_j) / C(x)` of all pairs.

    Args:
        theta: Queries, `(batch, N, d)`, or `(batch, N, 1)` for `"concatenation"`.
        phi: Keys, `(batch, M, d)`, or `(batch, M, 1)` for `"concatenation"`.
        mode: One of `MODES`.
        scale: Factor of the logits of the softmax modes; `None` is 1.

    Returns:
        `(batch, N, M)`.
    """
    keys = ops.swapaxes(phi, 1, 2)
    if mode in SOFTMAX_MODES:
        return ops.softmax(ops.matmul(scaled(theta, scale), keys), axis=-1)
    theta = theta / num_positions(phi)
    if mode == "dot_product":
        return ops.matmul(theta, keys)
    return ops.relu(theta + keys / num_positions(phi))


def scaled(theta: Any, scale: float | None) -> Any:
    """`scale * theta`, without work where there is no scale."""
    return theta if scale is None or scale == 1 else theta * scale


def num_positions(phi: Any) -> Any:
    """M, the number of positions j runs over, in the dtype of `phi`."""
    return ops.cast(ops.shape(phi)[1], phi.dtype)
