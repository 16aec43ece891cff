"""Values and gradients of every mode and route against the formulas in float64."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_nonlocal.layers import non_local_operation
from keras_nonlocal.layers.chunked_softmax import softmax_in_chunks
from keras_nonlocal.layers.route_choice import ROUTES
from tests.layers.gradients import (
    as_numpy,
    assert_gradients_are_close,
    block_value_and_gradients,
    value_and_gradients,
)
from tests.layers.random_blocks import random_block
from tests.layers.reference import reference_block, reference_gradients

MODES = tuple(ROUTES)
MODE_ROUTES = [
    (mode, route) for mode in MODES for route in ROUTES[mode] if route != "auto"
]

# Input shape, scope, and a pool size that cuts off an edge where the scope has one.
# Many groups have the same number of positions, so that a backend that compiles for
# each shape does so less often.
LAYOUTS = {
    "signal": ((2, 16, 4), "time", (7,)),
    "image": ((2, 4, 4, 4), "space", (3, 2)),
    "video": ((2, 4, 2, 2, 4), "spacetime", (3, 1, 2)),
    "video-space": ((1, 2, 4, 4, 4), "space", (1, 3, 2)),
    "video-time": ((2, 5, 2, 2, 4), "time", (2, 1, 1)),
}


def random_inputs(rng, shape):
    """Activations for which Gaussian weights are neither equal nor one-hot."""
    return np.float32(0.7 * rng.normal(size=shape))


def assert_close(value, expected, tolerance):
    """The largest error is within `tolerance` of the largest entry."""
    assert value.shape == expected.shape
    np.testing.assert_allclose(
        value, expected, rtol=0, atol=tolerance * np.max(np.abs(expected))
    )


def assert_block_is_exact(
    rng, shape, *, route="auto", tolerances=(1e-5, 1e-4), **options
):
    """Compares a block of random weights, value and gradients, with the reference.

    Args:
        rng: A NumPy generator.
        shape: The input shape, channels last.
        route: The block's route.
        tolerances: Of the value and of the gradients.
        **options: Those of `reference_block`.
    """
    block, weights = random_block(
        rng, shape, route=route, intermediate_channels=3, **options
    )
    x, upstream = random_inputs(rng, shape), rng.normal(size=shape)
    value, gradients = block_value_and_gradients(block, x, np.float32(upstream))
    expected = reference_block(x, weights, **options)
    assert np.max(np.abs(expected - x)) > 0.1 * np.max(np.abs(x))
    # The input itself would hide errors of what the block adds to it.
    assert_close(value - x, expected - x, tolerances[0])
    expected_gradients = reference_gradients(x, weights, upstream, **options)
    assert_gradients_are_close(gradients, expected_gradients, tolerances[1])


@pytest.mark.parametrize("pooled", [False, True], ids=["", "pooled"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("mode", "route"), MODE_ROUTES)
def test_block(rng, mode, route, layout, pooled):
    shape, scope, pool_size = LAYOUTS[layout]
    assert_block_is_exact(
        rng,
        shape,
        mode=mode,
        route=route,
        scope=scope,
        pool_size=pool_size if pooled else None,
    )


@pytest.mark.parametrize(
    ("shape", "scope", "pool_size"),
    [
        ((2, 10, 4), "spacetime", None),
        ((2, 10, 4), "time", (2,)),
        ((1, 10, 1, 3, 4), "spacetime", (2, 1, 2)),
        ((1, 10, 2, 1, 4), "time", (2, 1, 1)),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_temporal_groups(rng, mode, shape, scope, pool_size):
    assert_block_is_exact(
        rng,
        shape,
        mode=mode,
        scope=scope,
        pool_size=pool_size,
        temporal_group_size=5,
    )


@pytest.mark.parametrize("route", ROUTES["embedded_gaussian"])
def test_logits_without_scale(rng, route):
    assert_block_is_exact(
        rng, (2, 8, 4), mode="embedded_gaussian", route=route, scale=False
    )


@pytest.mark.parametrize("mode", ["gaussian", "dot_product", "concatenation"])
def test_scale_belongs_to_the_embedded_gaussian(rng, mode):
    shape = (1, 6, 4)
    x = random_inputs(rng, shape)
    scaled, weights = random_block(rng, shape, mode=mode, scale=True)
    unscaled, _ = random_block(rng, shape, mode=mode, scale=False)
    unscaled.set_weights(scaled.get_weights())
    expected = reference_block(x, weights, mode=mode)
    assert_close(as_numpy(scaled(x)), expected, 1e-5)
    assert_close(as_numpy(unscaled(x)), expected, 1e-5)


@pytest.mark.parametrize("normalization", ["frozen_batch", None])
@pytest.mark.parametrize("mode", MODES)
def test_without_biases_and_with_other_normalizations(rng, mode, normalization):
    shape = (2, 3, 4, 4)
    block, weights = random_block(
        rng, shape, mode=mode, use_bias=False, normalization=normalization
    )
    assert not [name for name in weights if name.endswith("bias")]
    assert ("norm/gamma" in weights) == (normalization is not None)
    x, upstream = random_inputs(rng, shape), rng.normal(size=shape)
    value, gradients = block_value_and_gradients(
        block, x, np.float32(upstream), training=True
    )
    assert_close(value, reference_block(x, weights, mode=mode), 1e-5)
    expected = reference_gradients(x, weights, upstream, mode=mode)
    assert_gradients_are_close(gradients, expected, 1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_default_width_is_half_the_channels(rng, mode):
    shape = (1, 5, 6)
    block, weights = random_block(rng, shape, mode=mode)
    assert weights["g/kernel"].shape == (6, 3)
    x = random_inputs(rng, shape)
    assert_close(as_numpy(block(x)), reference_block(x, weights, mode=mode), 1e-5)


@pytest.mark.parametrize(
    ("shape", "scope", "size", "sizes"),
    [
        ((1, 9, 4), "spacetime", 2, (2,)),
        ((1, 5, 4, 4), "space", 2, (2, 2)),
        ((1, 2, 4, 5, 4), "spacetime", 2, (1, 2, 2)),
        ((1, 2, 4, 5, 4), "space", 2, (1, 2, 2)),
        ((1, 5, 2, 2, 4), "time", 2, (2, 1, 1)),
    ],
)
def test_one_pool_size_for_all_axes(rng, shape, scope, size, sizes):
    block, weights = random_block(rng, shape, scope=scope, pool_size=size)
    x = random_inputs(rng, shape)
    expected = reference_block(
        x, weights, mode="embedded_gaussian", scope=scope, pool_size=sizes
    )
    assert_close(as_numpy(block(x)), expected, 1e-5)


@pytest.mark.parametrize("shape", [(2, 7, 4), (2, 3, 4, 4), (2, 4, 2, 3, 4)])
@pytest.mark.parametrize("mode", MODES)
def test_channels_first(rng, mode, shape):
    first = (shape[0], shape[-1], *shape[1:-1])
    pool_size = (2,) + (1,) * (len(shape) - 3)
    block, weights = random_block(
        rng, first, mode=mode, pool_size=pool_size, data_format="channels_first"
    )
    x = random_inputs(rng, shape)
    expected = reference_block(x, weights, mode=mode, pool_size=pool_size)
    value = as_numpy(block(np.moveaxis(x, -1, 1)))
    assert_close(value, np.moveaxis(expected, -1, 1), 1e-5)


# Roundings are within 2⁻¹¹ and 2⁻⁸; the exponential multiplies them by its logits.
@pytest.mark.parametrize(
    ("policy", "tolerance"), [("mixed_float16", 1e-2), ("mixed_bfloat16", 8e-2)]
)
@pytest.mark.parametrize(("mode", "route"), MODE_ROUTES)
def test_mixed_precision(rng, mode, route, policy, tolerance):
    shape = (2, 4, 2, 2, 4)
    options = {"mode": mode, "pool_size": (1, 2, 1)}
    block, weights = random_block(
        rng, shape, route=route, dtype=policy, intermediate_channels=3, **options
    )
    dtype = block.compute_dtype
    for variable in block.variables:
        variable.assign(_rounded(variable, dtype))
    weights = {name: _rounded(array, dtype) for name, array in weights.items()}
    x = _rounded(random_inputs(rng, shape), dtype)
    upstream = _rounded(rng.normal(size=shape), dtype)
    value, gradients = block_value_and_gradients(block, x, upstream)
    assert keras.backend.standardize_dtype(block(x).dtype) == dtype
    expected = reference_block(x, weights, **options)
    assert_close(value - x, expected - x, tolerance)
    expected_gradients = reference_gradients(x, weights, upstream, **options)
    assert_gradients_are_close(gradients, expected_gradients, 2 * tolerance)


def _rounded(array, dtype):
    """`array` in float32, with values that `dtype` has."""
    return as_numpy(ops.cast(ops.convert_to_tensor(array, "float32"), dtype))


def operation_arrays(rng, queries, keys, width=4, width_g=5, batch=2):
    """θ, φ, g and w_f for `non_local_operation`."""
    shapes = {
        "theta": (batch, queries, width),
        "phi": (batch, keys, width),
        "g": (batch, keys, width_g),
        "w_f": (2 * width,),
    }
    return {name: np.float32(rng.normal(size=shape)) for name, shape in shapes.items()}


def run_operation(arrays, upstream, mode, route):
    """Value and gradients of `non_local_operation`."""

    def call(tensors):
        w_f = tensors["w_f"] if mode == "concatenation" else None
        theta, phi, g = (tensors[name] for name in ("theta", "phi", "g"))
        return non_local_operation(theta, phi, g, mode, w_f=w_f, route=route)

    return value_and_gradients(call, arrays, upstream)


def operation_in_float64(arrays, mode):
    """The operation with the N×M matrix."""
    theta, phi, g, w_f = (np.float64(arrays[k]) for k in ("theta", "phi", "g", "w_f"))
    keys = np.swapaxes(phi, 1, 2)
    if mode == "concatenation":
        width = theta.shape[-1]
        pairs = (theta @ w_f[:width])[:, :, None] + (phi @ w_f[width:])[:, None]
        return np.maximum(pairs, 0) / phi.shape[1] @ g
    if mode == "dot_product":
        return theta @ keys / phi.shape[1] @ g
    logits = theta @ keys
    if mode == "embedded_gaussian":
        logits = logits / np.sqrt(theta.shape[-1])
    f = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return f / np.sum(f, axis=-1, keepdims=True) @ g


@pytest.mark.parametrize(
    ("mode", "route"),
    [pair for pair in MODE_ROUTES if pair[1] not in ("auto", "naive")],
)
def test_thousands_of_positions(rng, mode, route):
    # Neither number is a multiple of a block or a chunk.
    arrays = operation_arrays(rng, queries=3001, keys=2503)
    upstream = np.float32(rng.normal(size=(2, 3001, 5)))
    value, gradients = run_operation(arrays, upstream, mode, route)
    assert_close(value, operation_in_float64(arrays, mode), 1e-5)
    _, naive = run_operation(arrays, upstream, mode, "naive")
    for name, gradient in gradients.items():
        np.testing.assert_allclose(
            gradient, naive[name], rtol=0, atol=1e-4 * np.max(np.abs(naive[name]))
        )


# Rows of one element of the batch, whole elements, and all of them.
@pytest.mark.parametrize("max_pairs", [1, 30, 36, 56, 91, 182, 290, 1000])
def test_chunks_of_any_size(rng, max_pairs):
    arrays = operation_arrays(rng, queries=13, keys=7, batch=3)
    del arrays["w_f"]
    upstream = np.float32(rng.normal(size=(3, 13, 5)))
    value, gradients = value_and_gradients(
        lambda t: softmax_in_chunks(t["theta"], t["phi"], t["g"], max_pairs),
        arrays,
        upstream,
    )
    naive_value, naive = run_operation(arrays, upstream, "gaussian", "naive")
    assert_close(value, naive_value, 1e-5)
    for name, gradient in gradients.items():
        assert_close(gradient, naive[name], 1e-4)


@pytest.mark.parametrize(("queries", "keys"), [(1, 64), (63, 1), (65, 63), (64, 129)])
def test_sorted_route_at_the_edges_of_blocks(rng, queries, keys):
    arrays = operation_arrays(rng, queries, keys)
    upstream = np.float32(rng.normal(size=(2, queries, 5)))
    value, gradients = run_operation(arrays, upstream, "concatenation", "sorted")
    assert_close(value, operation_in_float64(arrays, "concatenation"), 1e-5)
    _, naive = run_operation(arrays, upstream, "concatenation", "naive")
    assert_gradients_are_close(gradients, naive, 1e-4)


def test_sorted_route_where_pairs_cancel_exactly(rng):
    # Sums of small integers: many pairs at the kink of the ReLU, many equal keys.
    arrays = {
        "theta": np.float32(rng.integers(-2, 3, (2, 50, 1))),
        "phi": np.float32(rng.integers(-2, 3, (2, 64, 1))),
        "g": np.float32(rng.normal(size=(2, 64, 3))),
        "w_f": np.ones(2, "float32"),
    }
    upstream = np.float32(rng.normal(size=(2, 50, 3)))
    value, gradients = run_operation(arrays, upstream, "concatenation", "sorted")
    naive_value, naive = run_operation(arrays, upstream, "concatenation", "naive")
    assert_close(value, naive_value, 1e-5)
    for name, gradient in gradients.items():
        assert_close(gradient, naive[name], 1e-4)


@pytest.mark.parametrize("sign", [-1, 1])
def test_sorted_route_where_no_or_every_pair_is_active(rng, sign):
    arrays = operation_arrays(rng, queries=20, keys=70)
    arrays["theta"] = np.abs(arrays["theta"])
    arrays["phi"] = np.abs(arrays["phi"])
    arrays["w_f"] = sign * np.abs(arrays["w_f"])
    upstream = np.float32(rng.normal(size=(2, 20, 5)))
    value, gradients = run_operation(arrays, upstream, "concatenation", "sorted")
    expected = operation_in_float64(arrays, "concatenation")
    assert np.any(expected) == (sign > 0)
    assert_close(value, expected, 1e-5)
    _, naive = run_operation(arrays, upstream, "concatenation", "naive")
    for name, gradient in gradients.items():
        assert_close(gradient, naive[name], 1e-4)


def test_sorted_route_keeps_small_differences_of_large_terms(rng):
    # a_i + b_j is of order 1, a_i and b_j of order 1000; all are exact in float32, and
    # the division by a power of two is.
    a = rng.integers(-64, 64, (1, 500, 1)) / 64 + 1000
    b = rng.integers(-64, 64, (1, 512, 1)) / 64 - 1000
    arrays = {
        "theta": np.float32(a),
        "phi": np.float32(b),
        "g": np.float32(rng.normal(size=(1, 512, 3))),
        "w_f": np.ones(2, "float32"),
    }
    upstream = np.float32(rng.normal(size=(1, 500, 3)))
    value, gradients = run_operation(arrays, upstream, "concatenation", "sorted")
    assert_close(value, operation_in_float64(arrays, "concatenation"), 1e-5)
    _, naive = run_operation(arrays, upstream, "concatenation", "naive")
    for name in ("theta", "phi", "g"):
        assert_close(gradients[name], naive[name], 1e-4)
