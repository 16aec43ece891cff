"""Softmax attention that never holds more than some rows of the N×M matrix."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_nonlocal.layers.affinity import softmax_over_keys


def softmax_in_chunks(theta: Any, phi: Any, g: Any, rows: Any) -> Any:
    """`softmax(θ φᵀ) g`, some rows at a time, forwards and backwards.

    The backward pass computes each chunk's weights once more instead of keeping them:
    7 matrix products of N×M×d instead of 6, and memory that grows with N, not N·M.

    Args:
        theta: `(batch, N, d)`.
        phi: `(batch, M, d)`.
        g: `(batch, M, d_g)`.
        rows: Number of rows (positions i) in a chunk, an integer or a scalar tensor.

    Returns:
        `(batch, N, d_g)`.
    """

    @ops.custom_gradient
    def attend(theta: Any, phi: Any, g: Any) -> Any:
        y = _forward(theta, phi, g, rows)

        def gradients(*args: Any, upstream: Any = None) -> tuple[Any, Any, Any]:
            # torch passes the inputs as well and names the gradient.
            upstream = args[0] if upstream is None else upstream
            return _backward(theta, phi, g, y, upstream, rows)

        return y, gradients

    return attend(theta, phi, g)


def _forward(theta: Any, phi: Any, g: Any, rows: Any) -> Any:
    keys = ops.swapaxes(phi, 1, 2)

    def attend_chunk(carry: Any, chunk: tuple[Any, ...]) -> tuple[Any, Any]:
        (queries,) = chunk
        return carry, ops.matmul(softmax_over_keys(ops.matmul(queries, keys)), g)

    _, y = _scan(attend_chunk, (), (_split(theta, rows),), g.shape[-1])
    return _join(y, ops.shape(theta)[1])


def _backward(
    theta: Any, phi: Any, g: Any, y: Any, upstream: Any, rows: Any
) -> tuple[Any, Any, Any]:
    keys, values = ops.swapaxes(phi, 1, 2), ops.swapaxes(g, 1, 2)
    # The mean of the weights' gradients, weighted by them, without N×M products.
    mean = ops.sum(upstream * y, axis=-1, keepdims=True)

    def differentiate_chunk(sums: Any, chunk: tuple[Any, ...]) -> tuple[Any, Any]:
        d_phi, d_g = sums
        queries, d_result, mean = chunk
        weights = softmax_over_keys(ops.matmul(queries, keys))
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
    xs: tuple[Any, ...],
    width: int,
) -> tuple[Any, Any]:
    """One chunk after the other; see `ops.scan`. `width`: channels of a result."""
    if keras.backend.backend() == "tensorflow":
        # There `ops.scan` asks for results of the shapes of what it carries.
        from keras_nonlocal.kernels.tensorflow_scan import scan

        return scan(f, carry, xs, width)
    return ops.scan(f, carry, xs)


def _split(x: Any, rows: Any) -> Any:
    """`(batch, N, d)` → `(chunks, batch, rows, d)`, with zeros after the last row."""
    batch, count, width = ops.shape(x)
    chunks = -(-count // rows)
    x = pad_with_zeros(x, axis=1, after=chunks * rows - count)
    x = ops.reshape(x, (batch, chunks, rows, width))
    return ops.transpose(x, (1, 0, 2, 3))


def _join(x: Any, count: Any) -> Any:
    """Undoes `_split`; `count` is N."""
    chunks, batch, rows, width = ops.shape(x)
    x = ops.transpose(x, (1, 0, 2, 3))
    return ops.reshape(x, (batch, chunks * rows, width))[:, :count]


def pad_with_zeros(x: Any, axis: int, after: Any) -> Any:
    """Appends `after` zeros along `axis`; none where `after` is negative."""
    if isinstance(after, int) and after <= 0:
        return x
    shape = list(ops.shape(x))
    shape[axis] = after
    return ops.concatenate([x, ops.zeros(shape, dtype=x.dtype)], axis=axis)
