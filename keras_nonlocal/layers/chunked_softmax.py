"""Softmax attention that keeps only some rows of the N×M matrix in memory at a time."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_nonlocal.layers.affinity import softmax_over_keys
from keras_nonlocal.tensors import Tensor


def softmax_in_chunks(
    theta: Tensor, phi: Tensor, g: Tensor, rows: Tensor, bias: Tensor = None
) -> Tensor:
    """Computes `softmax(θ φᵀ) g` and its gradients some rows at a time.

    The backward pass recomputes the weights of each chunk instead of keeping them. It
    takes 7 matrix products of N×M×d instead of 6, and its memory grows with N instead
    of N·M.

    Args:
        theta: `(batch, N, d)`.
        phi: `(batch, M, d)`.
        g: `(batch, M, d_g)`.
        rows: Number of rows (positions i) in a chunk, an integer or a scalar tensor.
        bias: Constant to add to the logits of each key, `(batch, 1, M)`. Defaults to
            `None`.

    Returns:
        `(batch, N, d_g)`.
    """

    # The bias is an argument because JAX's custom gradients cannot close over tracers.
    @ops.custom_gradient
    def attend(theta: Tensor, phi: Tensor, g: Tensor, *bias: Tensor) -> Tensor:
        y = _forward(theta, phi, g, rows, *bias)

        def gradients(*args: Tensor, upstream: Tensor = None) -> tuple[Tensor, ...]:
            # PyTorch also passes the inputs, and passes the gradient by name.
            upstream = args[0] if upstream is None else upstream
            found = _backward(theta, phi, g, y, upstream, rows, *bias)
            return (*found, *(ops.zeros_like(b) for b in bias))

        return y, gradients

    return attend(theta, phi, g) if bias is None else attend(theta, phi, g, bias)


def _forward(
    theta: Tensor, phi: Tensor, g: Tensor, rows: Tensor, bias: Tensor = None
) -> Tensor:
    keys = ops.swapaxes(phi, 1, 2)

    def attend_chunk(carry: Any, chunk: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        (queries,) = chunk
        weights = softmax_over_keys(ops.matmul(queries, keys), bias)
        return carry, ops.matmul(weights, g)

    _, y = _scan(attend_chunk, (), (_split(theta, rows),), g.shape[-1])
    return _join(y, ops.shape(theta)[1])


def _backward(
    theta: Tensor,
    phi: Tensor,
    g: Tensor,
    y: Tensor,
    upstream: Tensor,
    rows: Tensor,
    bias: Tensor = None,
) -> tuple[Tensor, Tensor, Tensor]:
    keys, values = ops.swapaxes(phi, 1, 2), ops.swapaxes(g, 1, 2)
    # The weighted mean of the weights' gradients, computed without the matrix.
    mean = ops.sum(upstream * y, axis=-1, keepdims=True)

    def differentiate_chunk(
        sums: Tensor, chunk: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        d_phi, d_g = sums
        queries, d_result, mean = chunk
        weights = softmax_over_keys(ops.matmul(queries, keys), bias)
        d_g = d_g + ops.matmul(ops.swapaxes(weights, 1, 2), d_result)
        d_logits = weights * (ops.matmul(d_result, values) - mean)
        d_phi = d_phi + ops.matmul(ops.swapaxes(d_logits, 1, 2), queries)
        return (d_phi, d_g), ops.matmul(d_logits, phi)

    (d_phi, d_g), d_theta = _scan(
        differentiate_chunk,
        (ops.zeros_like(phi), ops.zeros_like(g)),
        (_split(theta, rows), _split(upstream, rows), _split(mean, rows)),
        phi.shape[-1],
    )
    return _join(d_theta, ops.shape(theta)[1]), d_phi, d_g


def _scan(
    f: Callable[[Any, tuple[Any, ...]], tuple[Any, Any]],
    carry: Any,
    xs: tuple[Tensor, ...],
    width: int,
) -> tuple[Tensor, Tensor]:
    """Processes chunks in turn, as `ops.scan` does. `width`: channels of a result."""
    if keras.backend.backend() == "tensorflow":
        # On TensorFlow, the results of `ops.scan` must have the shape of its state.
        from keras_nonlocal.layers.kernels.tensorflow_scan import scan

        return scan(f, carry, xs, width)
    return ops.scan(f, carry, xs)


def _split(x: Tensor, rows: Tensor) -> Tensor:
    """Splits `(batch, N, d)` into `(chunks, batch, rows, d)`, padded with zero rows."""
    batch, count, width = ops.shape(x)
    chunks = -(-count // rows)
    x = pad_with_zeros(x, axis=1, after=chunks * rows - count)
    x = ops.reshape(x, (batch, chunks, rows, width))
    return ops.transpose(x, (1, 0, 2, 3))


def _join(x: Tensor, count: Tensor) -> Tensor:
    """Reverses `_split`; `count` is N."""
    chunks, batch, rows, width = ops.shape(x)
    x = ops.transpose(x, (1, 0, 2, 3))
    return ops.reshape(x, (batch, chunks * rows, width))[:, :count]


def pad_with_zeros(x: Tensor, axis: int, after: Tensor) -> Tensor:
    """Appends `after` zeros along `axis`; none if `after` is negative."""
    if isinstance(after, int) and after <= 0:
        return x
    shape = list(ops.shape(x))
    shape[axis] = after
    return ops.concatenate([x, ops.zeros(shape, dtype=x.dtype)], axis=axis)
