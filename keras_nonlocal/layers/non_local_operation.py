"""The non-local operation without variables."""

from typing import Any

from keras import ops

from keras_nonlocal.layers.affinity import MODES, widened
from keras_nonlocal.layers.block_arguments import check_choice
from keras_nonlocal.layers.position_groups import flatten_positions
from keras_nonlocal.layers.routes import ROUTES, weighted_sum


def non_local_operation(
    theta: Any,
    phi: Any,
    g: Any,
    mode: str = "embedded_gaussian",
    *,
    w_f: Any = None,
    scale: float | None = None,
    route: str = "auto",
) -> Any:
    """`y_i = 1/C(x) · Σ_j f(θ_i, φ_j) g_j` for given θ, φ and g."""
    check_choice("mode", mode, MODES)
    check_choice("route", route, ROUTES[mode])
    shape = ops.shape(theta)
    if scale is None:
        scale = float(shape[-1]) ** -0.5 if mode == "embedded_gaussian" else 1.0
    theta, phi, g = (flatten_positions(x) for x in (theta, phi, g))
    if mode == "concatenation":
        theta, phi = pair_terms(theta, phi, w_f)
    y = ops.cast(weighted_sum(theta, phi, g, mode, scale, route), g.dtype)
    return ops.reshape(y, (-1, *shape[1:-1], g.shape[-1]))


def pair_terms(theta: Any, phi: Any, w_f: Any) -> tuple[Any, Any]:
    """`a_i + b_j = w_fᵀ [θ_i, φ_j]`, taken apart.

    Args:
        theta: `(batch, N, d)`.
        phi: `(batch, M, d)`.
        w_f: `(2d, 1)`.

    Returns:
        a, `(batch, N, 1)`, and b, `(batch, M, 1)`.
    """
    theta, phi = widened(theta), widened(phi)
    w_f = ops.cast(w_f, theta.dtype)
    width = theta.shape[-1]
    return ops.matmul(theta, w_f[:width]), ops.matmul(phi, w_f[width:])
