"""The non-local operation without variables, and the choice of its route."""

from typing import Any

from keras import ops

from keras_nonlocal.layers.affinity import MODES, pairwise_weights
from keras_nonlocal.layers.position_groups import flatten_positions

ROUTES = {
    "gaussian": ("auto", "naive"),
    "embedded_gaussian": ("auto", "naive"),
    "dot_product": ("auto", "naive", "associative"),
    "concatenation": ("auto", "naive"),
}


def weighted_sum(
    theta: Any, phi: Any, g: Any, mode: str, scale: float | None, route: str
) -> Any:
    """`(batch, N, d)`, `(batch, M, d)`, `(batch, M, d_g)` → `(batch, N, d_g)`."""
    if route == "associative":
        count = ops.cast(ops.shape(phi)[1], phi.dtype)
        return ops.matmul(theta, ops.matmul(ops.swapaxes(phi / count, 1, 2), g))
    return ops.matmul(pairwise_weights(theta, phi, mode, scale), g)


def non_local_operation(
    theta: Any,
    phi: Any,
    g: Any,
    mode: str = "embedded_gaussian",
    *,
    scale: float | None = None,
    route: str = "auto",
) -> Any:
    """`y_i = 1/C(x) · Σ_j f(θ_i, φ_j) g_j` for given θ, φ and g."""
    if mode not in MODES:
        raise ValueError(f"`mode` must be one of {MODES}. Received: mode={mode!r}")
    positions = ops.shape(theta)[1:-1]
    theta, phi, g = (flatten_positions(t) for t in (theta, phi, g))
    y = weighted_sum(theta, phi, g, mode, scale, route)
    return ops.reshape(y, (-1, *positions, g.shape[-1]))
