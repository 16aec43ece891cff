"""Softmax attention that keeps only a part of the N×M matrix in memory at a time."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_nonlocal.layers.affinity import softmax_over_keys
from keras_nonlocal.layers.sizes import is_known, largest, least, quotient_up
from keras_nonlocal.tensors import Tensor


def softmax_in_chunks(
    theta: Tensor, phi: Tensor, g: Tensor, max_pairs: int, bias: Tensor = None
) -> Tensor:
    """Computes `softmax(θ φᵀ) g` and its gradients a chunk of pairs at a time.

    A chunk is the N×M matrices of some elements of the batch, or some rows of one such
    matrix. The backward pass recomputes the weights of each chunk instead of keeping
    them. It takes 7 matrix products of N×M×d instead of 6, and its memory grows with N
    instead of N·M.

    Args:
        theta: `(batch, N, d)`.
        phi: `(batch, M, d)`.
        g: `(batch, M, d_g)`.
        max_pairs: Number of pairs (i, j) in a chunk, over all of its elements. A chunk
            has at least one row. It does not depend on the batch, so that one graph
            serves batches of all sizes.
        bias: Constant to add to the logits of each key, `(batch, 1, M)`. Defaults to
            `None`.

    Returns:
        `(batch, N, d_g)`.
    """

    # The bias is an argument because JAX's custom gradients cannot close over tracers.
    @ops.custom_gradient
    def attend(theta: Tensor, phi: Tensor, g: Tensor, *bias: Tensor) -> Tensor:
        y = _forward(theta, phi, g, max_pairs, bias)

        def gradients(*args: Tensor, upstream: Tensor = None) -> tuple[Tensor, ...]:
            # PyTorch also passes the inputs, and passes the gradient by name.
            upstream = args[0] if upstream is None else upstream
            found = _backward(theta, phi, g, y, upstream, max_pairs, bias)
            return (*found, *(ops.zeros_like(b) for b in bias))

        return y, gradients

    return attend(theta, phi, g) if bias is None else attend(theta, phi, g, bias)


def _chunk_sizes(theta: Tensor, phi: Tensor, max_pairs: int) -> tuple[Tensor, Tensor]:
    """Returns the elements of the batch and the rows in a chunk."""
    batch, count, _ = ops.shape(theta)
    rows = max_pairs // largest(ops.shape(phi)[1], 1)
    # JAX can loop over batches of symbolic size, but not divide them into groups.
    groups = is_known(batch) or keras.backend.backend() == "tensorflow"
    elements = rows // largest(count, 1) if groups else 1
    return _equal_parts(batch, elements), _equal_parts(count, rows)


def _equal_parts(size: Tensor, most: Tensor) -> Tensor:
    """Returns the size of equal parts of at most `most`, which need little padding."""
    if isinstance(most, int) and most <= 1:
        return 1
    most = largest(least(most, size), 1)
    return largest(quotient_up(size, largest(quotient_up(size, most), 1)), 1)


def _forward(
    theta: Tensor, phi: Tensor, g: Tensor, max_pairs: int, bias: tuple[Tensor, ...]
) -> Tensor:
    elements, rows = _chunk_sizes(theta, phi, max_pairs)

    def attend_elements(carry: Any, group: tuple[Tensor, ...]) -> tuple[Any, Any]:
        theta, phi, g, *bias = group
        keys = ops.swapaxes(phi, 1, 2)

        def attend_rows(carry: Any, chunk: tuple[Tensor, ...]) -> tuple[Any, Any]:
            weights = softmax_over_keys(ops.matmul(chunk[0], keys), *bias)
            return carry, (ops.matmul(weights, g),)

        chunks = (_split_rows(theta, rows),)
        shape = (*chunks[0].shape[1:-1], g.shape[-1])
        _, (y,) = _scan(attend_rows, carry, chunks, (shape,))
        return carry, (_join_rows(y, ops.shape(theta)[1]),)

    groups = tuple(_split_batch(x, elements) for x in (theta, phi, g, *bias))
    shape = (groups[0].shape[1], theta.shape[1], g.shape[-1])
    _, (y,) = _scan(attend_elements, (), groups, (shape,))
    return _join_batch(y, ops.shape(theta)[0])


def _backward(
    theta: Tensor,
    phi: Tensor,
    g: Tensor,
    y: Tensor,
    upstream: Tensor,
    max_pairs: int,
    bias: tuple[Tensor, ...],
) -> tuple[Tensor, ...]:
    elements, rows = _chunk_sizes(theta, phi, max_pairs)
    # The weighted mean of the weights' gradients, computed without the matrix.
    mean = ops.sum(upstream * y, axis=-1, keepdims=True)

    def differentiate_elements(carry: Any, group: tuple[Tensor, ...]) -> Any:
        theta, phi, g, upstream, mean, *bias = group
        keys, values = ops.swapaxes(phi, 1, 2), ops.swapaxes(g, 1, 2)

        def differentiate_rows(sums: Any, chunk: tuple[Tensor, ...]) -> Any:
            d_phi, d_g = sums
            queries, d_result, mean = chunk
            weights = softmax_over_keys(ops.matmul(queries, keys), *bias)
            d_g = d_g + ops.matmul(ops.swapaxes(weights, 1, 2), d_result)
            d_logits = weights * (ops.matmul(d_result, values) - mean)
            d_phi = d_phi + ops.matmul(ops.swapaxes(d_logits, 1, 2), queries)
            return (d_phi, d_g), (ops.matmul(d_logits, phi),)

        chunks = tuple(_split_rows(x, rows) for x in (theta, upstream, mean))
        (d_phi, d_g), (d_theta,) = _scan(
            differentiate_rows,
            (ops.zeros_like(phi), ops.zeros_like(g)),
            chunks,
            (tuple(chunks[0].shape[1:]),),
        )
        return carry, (_join_rows(d_theta, ops.shape(theta)[1]), d_phi, d_g)

    groups = tuple(
        _split_batch(x, elements) for x in (theta, phi, g, upstream, mean, *bias)
    )
    shapes = tuple(tuple(x.shape[1:]) for x in groups[:3])
    _, gradients = _scan(differentiate_elements, (), groups, shapes)
    return tuple(_join_batch(x, ops.shape(theta)[0]) for x in gradients)


def _scan(
    f: Callable[[Any, tuple[Any, ...]], tuple[Any, tuple[Any, ...]]],
    carry: Any,
    xs: tuple[Tensor, ...],
    shapes: tuple[tuple[int | None, ...], ...],
) -> tuple[Any, tuple[Tensor, ...]]:
    """Processes chunks in turn, as `ops.scan` does. `shapes`: those of the results."""
    if xs[0].shape[0] == 1:
        carry, results = f(carry, tuple(x[0] for x in xs))
        return carry, tuple(ops.expand_dims(x, 0) for x in results)
    if keras.backend.backend() == "tensorflow":
        # On TensorFlow, the results of `ops.scan` must have the shape of its state.
        from keras_nonlocal.layers.kernels.tensorflow_scan import scan

        return scan(f, carry, xs, shapes)
    return ops.scan(f, carry, xs)


def _split_batch(x: Tensor, elements: Tensor) -> Tensor:
    """Splits `(batch, …)` into `(groups, elements, …)`, padded with zeros."""
    batch, *others = ops.shape(x)
    if (
        isinstance(elements, int)
        and elements == 1
        and all(isinstance(size, int) for size in others)
    ):
        return ops.expand_dims(x, 1)
    # TensorFlow's loops need at least one step if not all shapes are known.
    groups = largest(quotient_up(batch, elements), 1)
    x = pad_with_zeros(x, axis=0, after=groups * elements - batch)
    return ops.reshape(x, (groups, elements, *others))


def _join_batch(x: Tensor, batch: Tensor) -> Tensor:
    """Reverses `_split_batch`."""
    groups, elements, *others = ops.shape(x)
    x = ops.reshape(x, (groups * elements, *others))
    return x[:batch]


def _split_rows(x: Tensor, rows: Tensor) -> Tensor:
    """Splits `(batch, N, d)` into `(chunks, batch, rows, d)`, padded with zero rows."""
    batch, count, width = ops.shape(x)
    chunks = largest(quotient_up(count, rows), 1)
    x = pad_with_zeros(x, axis=1, after=chunks * rows - count)
    if isinstance(batch, int) and batch == 1:
        return ops.reshape(x, (chunks, batch, rows, width))
    x = ops.reshape(x, (batch, chunks, rows, width))
    return ops.transpose(x, (1, 0, 2, 3))


def _join_rows(x: Tensor, count: Tensor) -> Tensor:
    """Reverses `_split_rows`; `count` is N."""
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
