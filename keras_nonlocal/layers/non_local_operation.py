"""The non-local operation without variables."""

from typing import Any

import keras
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
    """`y_i = 1/C(x) · Σ_j f(θ_i, φ_j) g_j`, the operation inside `NonLocalBlock`.

    For layers with projections of their own. All positions see each other; what should
    not, goes into the batch axis.

    Args:
        theta: Queries, `(batch, *positions, d)` with one to three position axes.
        phi: Keys, `(batch, *key_positions, d)`; the positions may be others.
        g: Values, `(batch, *key_positions, d_g)`.
        mode: One of `"gaussian"`, `"embedded_gaussian"`, `"dot_product"` and
            `"concatenation"`, as in `NonLocalBlock`. Defaults to `"embedded_gaussian"`.
        w_f: The weights of `"concatenation"`, `(2 * d,)` or `(2 * d, 1)`, first those
            of θ. Needed in this mode and no other. Defaults to `None`.
        scale: Factor of `θᵀφ` in the two Gaussian modes. Defaults to `None`: `1 / √d`
            for `"embedded_gaussian"`, 1 for `"gaussian"`.
        route: As in `NonLocalBlock`. Defaults to `"auto"`.

    Returns:
        `(batch, *positions, d_g)`, in the dtype of `g`. Narrower types than float32 are
        computed in float32.

    Raises:
        ValueError: If `mode` or `route` has no such value, the shapes do not agree, or
            `w_f` or `scale` is given to a mode that has none.

    Example:

    >>> theta = np.random.rand(1, 4, 14, 14, 32).astype("float32")
    >>> phi, g = np.random.rand(2, 1, 4, 7, 7, 32).astype("float32")
    >>> y = keras_nonlocal.layers.non_local_operation(theta, phi, g, mode="dot_product")
    >>> tuple(y.shape)
    (1, 4, 14, 14, 32)

    References:
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 3.
    """
    operation = NonLocalOperation(mode, scale=scale, route=route)
    if (w_f is None) == (mode == "concatenation"):
        raise ValueError(
            "`w_f` must be given with mode='concatenation' and no other mode. "
            f"Received: mode={mode!r}, w_f={'None' if w_f is None else 'a tensor'}"
        )
    return operation(theta, phi, g) if w_f is None else operation(theta, phi, g, w_f)


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class NonLocalOperation(keras.Operation):
    """`non_local_operation` as a node of functional models."""

    def __init__(
        self,
        mode: str,
        *,
        scale: float | None = None,
        route: str = "auto",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        check_choice("mode", mode, MODES)
        check_choice("route", route, ROUTES[mode])
        if scale is not None and "gaussian" not in mode:
            raise ValueError(
                "`scale` belongs to the modes 'gaussian' and 'embedded_gaussian'. "
                f"Received: scale={scale} with mode={mode!r}"
            )
        self.mode = mode
        self.scale = scale
        self.route = route

    def call(self, theta: Any, phi: Any, g: Any, w_f: Any = None) -> Any:
        theta, phi, g = (ops.convert_to_tensor(x) for x in (theta, phi, g))
        _check_shapes(
            theta.shape, phi.shape, g.shape, None if w_f is None else w_f.shape
        )
        shape = ops.shape(theta)
        scale = self.scale
        if scale is None:
            embedded = self.mode == "embedded_gaussian"
            scale = float(shape[-1]) ** -0.5 if embedded else 1.0
        theta, phi, g = (flatten_positions(x) for x in (theta, phi, g))
        if w_f is not None:
            theta, phi = _pair_terms(theta, phi, w_f)
        y = weighted_sum(theta, phi, g, self.mode, scale, self.route)
        return ops.reshape(ops.cast(y, g.dtype), (*shape[:-1], g.shape[-1]))

    def compute_output_spec(
        self, theta: Any, phi: Any, g: Any, w_f: Any = None
    ) -> keras.KerasTensor:
        _check_shapes(
            theta.shape, phi.shape, g.shape, None if w_f is None else w_f.shape
        )
        return keras.KerasTensor((*theta.shape[:-1], g.shape[-1]), dtype=g.dtype)


def _check_shapes(theta: Any, phi: Any, g: Any, w_f: Any) -> None:
    """Raises where the shapes of θ, φ, g and w_f do not go together."""
    shapes = f"theta.shape={tuple(theta)}, phi.shape={tuple(phi)}, g.shape={tuple(g)}"
    for name, shape in (("theta", theta), ("phi", phi), ("g", g)):
        if not 3 <= len(shape) <= 5 or shape[-1] is None:
            raise ValueError(
                f"`{name}` must have rank 3, 4 or 5 and a known number of channels. "
                f"Received: {shapes}"
            )
    if theta[-1] != phi[-1]:
        raise ValueError(
            f"`theta` and `phi` must have the same channels. Received: {shapes}"
        )
    same = (
        a == b or a is None or b is None for a, b in zip(phi[:-1], g[:-1], strict=False)
    )
    if len(phi) != len(g) or not all(same):
        raise ValueError(
            f"`phi` and `g` must have the same positions. Received: {shapes}"
        )
    if w_f is not None and tuple(w_f) not in ((2 * theta[-1],), (2 * theta[-1], 1)):
        raise ValueError(
            "`w_f` must have the shape (2 * channels,) or (2 * channels, 1). "
            f"Received: {shapes}, w_f.shape={tuple(w_f)}"
        )


def _pair_terms(theta: Any, phi: Any, w_f: Any) -> tuple[Any, Any]:
    """`a_i = w_fᵀ [θ_i, 0]`, `(batch, N, 1)`, and `b_j = w_fᵀ [0, φ_j]`."""
    theta, phi = widened(theta), widened(phi)
    w_f = ops.reshape(ops.cast(w_f, theta.dtype), (-1, 1))
    width = theta.shape[-1]
    return ops.matmul(theta, w_f[:width]), ops.matmul(phi, w_f[width:])
