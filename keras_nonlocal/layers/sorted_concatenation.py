"""The concatenation mode by sorting and prefix sums, without its N×M matrix.

`f(x_i, x_j) = ReLU(a_i + b_j)` is nonzero only for the `k_i` largest `b_j`. With the
keys in descending order of b, `Σ_j f g_j = a_i G(k_i) + H(k_i)`, where `G(k)` and
`H(k)` are the sums of `g_j` and `b_j g_j` over the first k keys. The gradients have the
same form. In the gradient with respect to g, a and b are swapped.
"""

from keras import ops

from keras_nonlocal.tensors import Tensor

_BLOCK = 64  # Number of positions that one product with a triangular matrix sums.


def relu_weighted_sum(a: Tensor, b: Tensor, g: Tensor) -> Tensor:
    """Computes `y_i = Σ_j ReLU(a_i + b_j) g_j` in O((N + M)(log(N + M) + d)).

    Args:
        a: `(batch, N, 1)`.
        b: `(batch, M, 1)`.
        g: `(batch, M, d)`.

    Returns:
        `(batch, N, d)`.
    """

    @ops.custom_gradient
    def weighted_sum(a: Tensor, b: Tensor, g: Tensor) -> Tensor:
        query_counts, key_counts = _active_counts(a[..., 0], b[..., 0])

        def gradients(
            *args: Tensor, upstream: Tensor = None
        ) -> tuple[Tensor, Tensor, Tensor]:
            # PyTorch also passes the inputs, and passes the gradient by name.
            upstream = args[0] if upstream is None else upstream
            active_g = _sums_of_active(b, g, query_counts)[0]
            d_a = ops.sum(upstream * active_g, axis=-1, keepdims=True)
            active_upstream, moment = _sums_of_active(a, upstream, key_counts, b)
            d_b = ops.sum(g * active_upstream, axis=-1, keepdims=True)
            return d_a, d_b, moment

        return _sums_of_active(b, g, query_counts, a)[1], gradients

    return weighted_sum(a, b, g)


def _active_counts(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the number of keys with a nonzero weight for each query, and vice versa.

    Args:
        a: `(batch, N)`.
        b: `(batch, M)`.

    Returns:
        The number of j with `a_i + b_j > 0`, `(batch, N)`, and the number of such i,
        `(batch, M)`.
    """
    queries = ops.shape(a)[1]
    # Sorting is stable: if a_i = -b_j, the query precedes the key, and neither counts
    # the other.
    order = ops.argsort(ops.concatenate([a, -b], axis=1), axis=1)
    is_key = ops.cast(order >= queries, "int32")
    keys_until = ops.cumsum(is_key, axis=1)
    queries_after = ops.flip(ops.cumsum(ops.flip(1 - is_key, axis=1), axis=1), axis=1)
    counts = ops.where(order >= queries, queries_after, keys_until)
    counts = ops.take_along_axis(counts, ops.argsort(order, axis=1), axis=1)
    return counts[:, :queries], counts[:, queries:]


def _sums_of_active(
    b: Tensor, g: Tensor, counts: Tensor, a: Tensor = None
) -> tuple[Tensor, Tensor]:
    """Returns `Σ_j g_j` and, given a, `Σ_j (a_i + b_j) g_j` over the largest `b_j`.

    Args:
        b: `(batch, M, 1)`.
        g: `(batch, M, d)`.
        counts: Number of keys in each sum, `(batch, N)`.
        a: `(batch, N, 1)` or `None`.

    Returns:
        Two tensors `(batch, N, d)`; the second is `None` without a.
    """
    order = ops.argsort(-b[..., 0], axis=1)
    g = _take_rows(g, order)
    sums = _take_rows(_prefix_sums(g), counts)
    if a is None:
        return sums, None
    # (a + c) + (b - c) is the same for every c. With c = mean(b), the two sums do not
    # cancel each other.
    center = ops.mean(b, axis=1, keepdims=True)
    moments = _prefix_sums(g * (_take_rows(b, order) - center))
    return sums, (a + center) * sums + _take_rows(moments, counts)


def _take_rows(x: Tensor, rows: Tensor) -> Tensor:
    """Returns `x[n, rows[n, i]]`, `(batch, N, d)`, for `x` of shape `(batch, M, d)`."""
    batch, count, width = ops.shape(x)
    first = ops.expand_dims(ops.arange(batch, dtype="int32") * count, 1)
    rows = ops.cast(rows, "int32") + first
    return ops.take(ops.reshape(x, (-1, width)), rows, axis=0)


def _prefix_sums(x: Tensor) -> Tensor:
    """Returns the sums of the first 0, 1, …, M rows of `(batch, M, d)`.

    One matrix product sums within blocks of rows, and a cumulative sum adds up the
    blocks. Rounding errors grow with the number of blocks instead of rows. The result
    can have more than the required M + 1 rows.
    """
    batch, count, width = ops.shape(x)
    blocks = count // _BLOCK + 1
    padding = ops.zeros((batch, blocks * _BLOCK - count, width), dtype=x.dtype)
    x = ops.concatenate([x, padding], axis=1)
    x = ops.reshape(x, (batch, blocks, _BLOCK, width))
    strictly_before = ops.tril(ops.ones((_BLOCK, _BLOCK), dtype=x.dtype), k=-1)
    totals = ops.sum(x, axis=2, keepdims=True)
    sums = ops.matmul(strictly_before, x) + ops.cumsum(totals, axis=1) - totals
    return ops.reshape(sums, (batch, blocks * _BLOCK, width))
