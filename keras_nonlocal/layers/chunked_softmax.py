"""Softmax attention that never holds more than some rows of the N×M matrix."""

from typing import Any

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
        def gradients(*args: Any, upstream: Any = None) -> tuple[Any, Any, Any]:
            # torch passes the inputs as well and names the gradient.
            upstream = args[0] if upstream is None else upstream
            return _backward(theta, phi, g, upstream, rows)

        return _forward(theta, phi, g, rows), gradients

    return attend(theta, phi, g)


# Both loops read a chunk of queries from the buffer that they write the chunk's result
# to. So an iteration cannot start before the one before it has ended, and no backend
# computes several chunks at a time.


def _forward(theta: Any, phi: Any, g: Any, rows: Any) -> Any:
    width, width_g = theta.shape[-1], g.shape[-1]
    spare = width - width_g
    keys = ops.swapaxes(phi, 1, 2)

    def attend_chunk(index: Any, buffer: Any) -> Any:
        queries = ops.take(buffer, index, axis=0)[..., :width]
        result = ops.matmul(softmax_over_keys(ops.matmul(queries, keys)), g)
        return _write(buffer, index, pad_with_zeros(result, axis=2, after=spare))

    buffer = _split(pad_with_zeros(theta, axis=2, after=-spare), rows)
    buffer = ops.fori_loop(0, ops.shape(buffer)[0], attend_chunk, buffer)
    return _join(buffer, ops.shape(theta)[1])[..., :width_g]


def _backward(
    theta: Any, phi: Any, g: Any, upstream: Any, rows: Any
) -> tuple[Any, Any, Any]:
    keys, values = ops.swapaxes(phi, 1, 2), ops.swapaxes(g, 1, 2)
    d_y = _split(upstream, rows)

    def differentiate_chunk(index: Any, sums: tuple[Any, Any, Any]) -> Any:
        buffer, d_phi, d_g = sums
        queries = ops.take(buffer, index, axis=0)
        d_result = ops.take(d_y, index, axis=0)
        weights = softmax_over_keys(ops.matmul(queries, keys))
        d_g = d_g + ops.matmul(ops.swapaxes(weights, 1, 2), d_result)
        d_weights = ops.matmul(d_result, values)
        mean = ops.sum(weights * d_weights, axis=-1, keepdims=True)
        d_logits = weights * (d_weights - mean)
        d_phi = d_phi + ops.matmul(ops.swapaxes(d_logits, 1, 2), queries)
        return _write(buffer, index, ops.matmul(d_logits, phi)), d_phi, d_g

    buffer = _split(theta, rows)
    buffer, d_phi, d_g = ops.fori_loop(
        0,
        ops.shape(buffer)[0],
        differentiate_chunk,
        (buffer, ops.zeros_like(phi), ops.zeros_like(g)),
    )
    return _join(buffer, ops.shape(theta)[1]), d_phi, d_g


def _write(buffer: Any, index: Any, chunk: Any) -> Any:
    at = ops.reshape(ops.convert_to_tensor(index, dtype="int32"), (1, 1))
    return ops.scatter_update(buffer, at, ops.expand_dims(chunk, 0))


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
