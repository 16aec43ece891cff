"""The non-local block as its formulas are written: float64, one pair at a time.

Every array carries a leading axis of variants. The gradients are complex-step
derivatives: one variant per entry, shifted along the imaginary axis, which has neither
the truncation nor the cancellation of finite differences.
"""

import numpy as np

BATCH_NORM_EPSILON = 1e-5
COMPLEX_STEP = 1e-30


def reference_block(inputs, weights, **options):
    """The block's output, with moving statistics in the normalization.

    Args:
        inputs: `(batch, *positions, channels)`.
        weights: Arrays by name, such as `"theta/kernel"`. Biases and `"norm/…"` take
            part if they are there.
        **options: Those of `_block`.
    """
    arrays = {"inputs": inputs, **weights}
    single = {name: np.float64(array)[None] for name, array in arrays.items()}
    return _block(single, **options)[0]


def reference_gradients(inputs, weights, upstream, **options):
    """Gradients of `sum(upstream * output)` by name; the input is `"inputs"`."""
    arrays = {"inputs": inputs, **weights}
    total = sum(array.size for array in arrays.values())
    variants, rows, row = {}, {}, 0
    for name, array in arrays.items():
        variants[name] = np.repeat(np.complex128(array)[None], total, axis=0)
        rows[name] = np.arange(row, row + array.size)
        flat = variants[name].reshape(total, array.size)
        flat[rows[name], np.arange(array.size)] += 1j * COMPLEX_STEP
        row += array.size
    output = _block(variants, **options).imag / COMPLEX_STEP
    slopes = np.sum((output * upstream).reshape(total, -1), axis=1)
    return {name: slopes[rows[name]].reshape(arrays[name].shape) for name in arrays}


def _block(
    arrays,
    mode,
    scope="spacetime",
    pool_size=None,
    temporal_group_size=None,
    scale=True,
    mask=None,
):
    """`z_i = norm(W_z y_i) + x_i`; `pool_size` has one entry per position axis.

    Masked positions are no keys and stay as they are. `mask` is `(batch, *positions)`.
    """
    x = arrays["inputs"]
    sizes = x.shape[2:-1]
    output = np.zeros_like(x)
    if mask is None:
        mask = np.ones(x.shape[1:-1], "bool")
    for example in range(x.shape[1]):
        keys = _keys_by_group(
            x[:, example],
            mask[example],
            scope,
            pool_size or (1,) * len(sizes),
            temporal_group_size,
        )
        embedded = {
            group: [
                (_embed(arrays, mode, "phi", k), _project(arrays, "g", k)) for k in ks
            ]
            for group, ks in keys.items()
        }
        for i in np.ndindex(*sizes):
            x_i = x[(slice(None), example, *i)]
            if not mask[(example, *i)]:
                output[(slice(None), example, *i)] = x_i
                continue
            theta_i = _embed(arrays, mode, "theta", x_i)
            pairs = embedded[_group(i, scope, temporal_group_size)]
            y_i = _average(arrays, mode, scale, theta_i, pairs)
            z_i = _normalize(arrays, _project(arrays, "out", y_i))
            output[(slice(None), example, *i)] = x_i + z_i
    return output


def _average(arrays, mode, scale, theta_i, pairs):
    """`1/C Σ_j f(x_i, x_j) g(x_j)` over pairs of `φ(x_j)` and `g(x_j)`."""
    total, normalizer = 0, 0
    for phi_j, g_j in pairs:
        f = _pairwise(arrays, mode, scale, theta_i, phi_j)
        total = total + f[:, None] * g_j
        normalizer = normalizer + (f if "gaussian" in mode else 1)
    return total / np.reshape(normalizer, (-1, 1))


def _pairwise(arrays, mode, scale, theta_i, phi_j):
    """`f(x_i, x_j)`, `(variants,)`."""
    if mode == "concatenation":
        both = np.concatenate([theta_i, phi_j], axis=-1)
        w_f = arrays["w_f"].reshape(both.shape)
        product = np.sum(w_f * both, axis=-1)
        return np.where(product.real > 0, product, 0)
    product = np.sum(theta_i * phi_j, axis=-1)
    if mode == "dot_product":
        return product
    if mode == "embedded_gaussian" and scale:
        product = product / np.sqrt(theta_i.shape[-1])
    return np.exp(product)


def _embed(arrays, mode, name, x):
    return x if mode == "gaussian" else _project(arrays, name, x)


def _project(arrays, name, x):
    """`W x + b` at one position, `(variants, channels)`."""
    result = np.einsum("vc,vcd->vd", x, arrays[f"{name}/kernel"])
    return result + arrays.get(f"{name}/bias", 0)


def _normalize(arrays, z):
    if "norm/gamma" not in arrays:
        return z
    deviation = np.sqrt(arrays["norm/moving_variance"] + BATCH_NORM_EPSILON)
    normalized = (z - arrays["norm/moving_mean"]) / deviation
    return normalized * arrays["norm/gamma"] + arrays["norm/beta"]


def _group(position, scope, temporal_group_size):
    """What positions that see each other have in common.

    The first axis is time unless there are two: images.
    """
    if len(position) == 2:
        return ()
    time, space = position[0], position[1:]
    frames = time // temporal_group_size if temporal_group_size else 0
    return {
        "spacetime": (frames,),
        "space": (time,),
        "time": (frames, space),
    }[scope]


def _keys_by_group(example, mask, scope, pool_size, temporal_group_size):
    """The max-pooled `x̂_j`, each `(variants, channels)`, that each group sees.

    Cells that the edge cuts off are left out, and those without an unmasked position.
    """
    sizes = example.shape[1:-1]
    cells = {}
    for position in np.ndindex(*sizes):
        group = _group(position, scope, temporal_group_size)
        within = list(position)
        if temporal_group_size:
            within[0] %= temporal_group_size
        cell = tuple(p // size for p, size in zip(within, pool_size, strict=True))
        cells.setdefault(group, {}).setdefault(cell, []).append(position)
    full = np.prod(pool_size)
    keys = {}
    for group, of_group in cells.items():
        keys[group] = []
        for positions in of_group.values():
            members = [example[(slice(None), *p)] for p in positions if mask[p]]
            if len(positions) == full and members:
                keys[group].append(_maximum(members))
    return keys


def _maximum(members):
    stacked = np.stack(members)
    largest = np.argmax(stacked.real, axis=0)
    return np.take_along_axis(stacked, largest[None], axis=0)[0]
