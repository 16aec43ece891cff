"""The non-local operation, without variables."""

import keras
from keras import ops

from keras_nonlocal.arguments import check_choice
from keras_nonlocal.layers.affinity import MODES, widened
from keras_nonlocal.layers.block_arguments import check_real, positive_integer_or_none
from keras_nonlocal.layers.position_groups import flatten_positions
from keras_nonlocal.layers.position_masks import zeros_where_masked
from keras_nonlocal.layers.route_choice import ROUTES
from keras_nonlocal.layers.routes import weighted_sum
from keras_nonlocal.tensors import Tensor


def non_local_operation(
    theta: Tensor,
    phi: Tensor,
    g: Tensor,
    mode: str = "embedded_gaussian",
    *,
    w_f: Tensor = None,
    scale: float | None = None,
    route: str = "auto",
    key_mask: Tensor = None,
    memory_limit: int | None = None,
) -> Tensor:
    """Computes `y_i = 1/C(x) · Σ_j f(θ_i, φ_j) g_j`, the operation in `NonLocalBlock`.

    Use it in layers with their own projections. All positions attend to each other. To
    separate positions, move them into the batch axis.

    Args:
        theta: Queries, `(batch, *positions, d)` with one to three position axes.
        phi: Keys, `(batch, *key_positions, d)`. Their positions may differ from the
            queries'.
        g: Values, `(batch, *key_positions, d_g)`.
        mode: One of `"gaussian"`, `"embedded_gaussian"`, `"dot_product"` and
            `"concatenation"`, as in `NonLocalBlock`. Defaults to `"embedded_gaussian"`.
        w_f: The weights of the mode `"concatenation"`, `(2 * d,)` or `(2 * d, 1)`, with
            those of θ first. Required in this mode and invalid in the others. Defaults
            to `None`.
        scale: Factor of `θᵀφ` in the two Gaussian modes. Defaults to `None`, which
            stands for `1 / √d` in the mode `"embedded_gaussian"` and 1 in the mode
            `"gaussian"`.
        route: As in `NonLocalBlock`. Defaults to `"auto"`.
        key_mask: Booleans, `(batch, *key_positions)`. Keys where it is false have no
            weight and do not count in `C(x)`. Defaults to `None`, all keys count.
        memory_limit: Bytes, as in `NonLocalBlock`. Defaults to `None`, a share of the
            memory of the device.

    Returns:
        `(batch, *positions, d_g)`, in the dtype of `g`; integers become floats.
        Narrower dtypes than float32 are computed as in `NonLocalBlock`.

    Raises:
        ValueError: If `mode` or `route` is invalid, the shapes do not match, or `w_f`
            or `scale` is given in a mode that does not use it.

    Example:

    >>> theta = np.random.rand(1, 4, 14, 14, 32).astype("float32")
    >>> phi, g = np.random.rand(2, 1, 4, 7, 7, 32).astype("float32")
    >>> y = keras_nonlocal.layers.non_local_operation(theta, phi, g, mode="dot_product")
    >>> tuple(y.shape)
    (1, 4, 14, 14, 32)

    References:
        [Non-local Neural Networks](https://arxiv.org/abs/1711.07971), section 3.
    """
    operation = NonLocalOperation(
        mode, scale=scale, route=route, memory_limit=memory_limit
    )
    if (w_f is None) == (mode == "concatenation"):
        raise ValueError(
            "`w_f` must be given with mode='concatenation' and no other mode. "
            f"Received: mode={mode!r}, w_f={'None' if w_f is None else 'a tensor'}"
        )
    tensors = {"w_f": w_f, "key_mask": key_mask}
    given = {name: value for name, value in tensors.items() if value is not None}
    return operation(theta, phi, g, **given)


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class NonLocalOperation(keras.Operation):
    """`non_local_operation` as a node of functional models."""

    def __init__(
        self,
        mode: str,
        *,
        scale: float | None = None,
        route: str = "auto",
        memory_limit: int | None = None,
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
        self.memory_limit = positive_integer_or_none("memory_limit", memory_limit)

    def call(
        self,
        theta: Tensor,
        phi: Tensor,
        g: Tensor,
        w_f: Tensor = None,
        key_mask: Tensor = None,
    ) -> Tensor:
        theta, phi, g = (ops.convert_to_tensor(x) for x in (theta, phi, g))
        _check_call(theta, phi, g, w_f, key_mask)
        theta, phi, g = (_floats(x) for x in (theta, phi, g))
        shape = ops.shape(theta)
        scale = self.scale
        if scale is None:
            embedded = self.mode == "embedded_gaussian"
            scale = float(shape[-1]) ** -0.5 if embedded else 1.0
        theta, phi, g = (flatten_positions(x) for x in (theta, phi, g))
        if key_mask is not None:
            key_mask = ops.cast(ops.convert_to_tensor(key_mask), "bool")
            key_mask = ops.reshape(key_mask, ops.shape(phi)[:2])
            phi = zeros_where_masked(phi, ops.expand_dims(key_mask, -1))
        if w_f is not None:
            theta, phi = _pair_terms(theta, phi, w_f)
        y = weighted_sum(
            theta, phi, g, self.mode, scale, self.route, key_mask, self.memory_limit
        )
        return ops.reshape(ops.cast(y, g.dtype), (*shape[:-1], g.shape[-1]))

    def compute_output_spec(
        self,
        theta: Tensor,
        phi: Tensor,
        g: Tensor,
        w_f: Tensor = None,
        key_mask: Tensor = None,
    ) -> keras.KerasTensor:
        _check_call(theta, phi, g, w_f, key_mask)
        is_float = keras.backend.is_float_dtype(g.dtype)
        dtype = g.dtype if is_float else keras.config.floatx()
        return keras.KerasTensor((*theta.shape[:-1], g.shape[-1]), dtype=dtype)


def _floats(x: Tensor) -> Tensor:
    """Returns `x` as floats. Integers are converted to the default float dtype."""
    is_float = keras.backend.is_float_dtype(x.dtype)
    return x if is_float else ops.cast(x, keras.config.floatx())


def _check_call(
    theta: Tensor, phi: Tensor, g: Tensor, w_f: Tensor, key_mask: Tensor
) -> None:
    for name, tensor in (("theta", theta), ("phi", phi), ("g", g)):
        check_real(name, tensor)
    w_f_shape = None if w_f is None else w_f.shape
    _check_shapes(theta.shape, phi.shape, g.shape, w_f_shape)
    if key_mask is None:
        return
    axes = zip(key_mask.shape, phi.shape[:-1], strict=False)
    if len(key_mask.shape) != len(phi.shape) - 1 or not all(
        size == own or size is None or own is None for size, own in axes
    ):
        raise ValueError(
            "`key_mask` must have the shape of `phi` without the channels. Received: "
            f"key_mask.shape={tuple(key_mask.shape)}, phi.shape={tuple(phi.shape)}"
        )


def _check_shapes(theta: Tensor, phi: Tensor, g: Tensor, w_f: Tensor) -> None:
    """Raises an error if the shapes of θ, φ, g and w_f do not match."""
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


def _pair_terms(theta: Tensor, phi: Tensor, w_f: Tensor) -> tuple[Tensor, Tensor]:
    """Returns `a_i = w_fᵀ [θ_i, 0]`, `(batch, N, 1)`, and `b_j = w_fᵀ [0, φ_j]`."""
    theta, phi = widened(theta), widened(phi)
    w_f = ops.reshape(ops.cast(w_f, theta.dtype), (-1, 1))
    width = theta.shape[-1]
    return ops.matmul(theta, w_f[:width]), ops.matmul(phi, w_f[width:])
