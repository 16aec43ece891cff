"""Properties that need no reference: symmetry, closed forms, identity, finiteness."""

import numpy as np
import pytest

from keras_nonlocal.layers import NonLocalBlock
from keras_nonlocal.layers.route_choice import ROUTES
from tests.layers.gradients import (
    as_numpy,
    block_value_and_gradients,
)
from tests.layers.random_blocks import random_block

MODES = tuple(ROUTES)
MODE_ROUTES = [
    (mode, route) for mode in MODES for route in ROUTES[mode] if route != "auto"
]
VIDEO = (2, 4, 2, 3, 4)


def random_inputs(rng, shape):
    return np.float32(0.7 * rng.normal(size=shape))


def assert_close(value, expected):
    np.testing.assert_allclose(
        value, expected, rtol=0, atol=1e-5 * np.max(np.abs(expected))
    )


def permute_everywhere(rng, video):
    flat = video.reshape(2, -1, 4)
    order = rng.permutation(flat.shape[1])
    return lambda x: x.reshape(flat.shape)[:, order].reshape(VIDEO)


def permute_within_frames(rng, video):
    orders = [rng.permutation(6) for _ in range(4)]

    def permute(x):
        frames = x.reshape(2, 4, 6, 4)
        frames = [frames[:, t, order] for t, order in enumerate(orders)]
        return np.stack(frames, axis=1).reshape(VIDEO)

    return permute


def permute_along_time(rng, video):
    orders = [rng.permutation(4) for _ in range(6)]

    def permute(x):
        places = x.reshape(2, 4, 6, 4)
        places = [places[:, order, p] for p, order in enumerate(orders)]
        return np.stack(places, axis=2).reshape(VIDEO)

    return permute


PERMUTATIONS = {
    "spacetime": permute_everywhere,
    "space": permute_within_frames,
    "time": permute_along_time,
}


@pytest.mark.parametrize("scope", PERMUTATIONS)
@pytest.mark.parametrize(("mode", "route"), MODE_ROUTES)
def test_permuted_positions_permute_the_result(rng, mode, route, scope):
    block, _ = random_block(rng, VIDEO, mode=mode, route=route, scope=scope)
    x = random_inputs(rng, VIDEO)
    permute = PERMUTATIONS[scope](rng, x)
    expected = permute(as_numpy(block(x)))
    assert not np.allclose(expected, as_numpy(block(x)))
    assert_close(as_numpy(block(permute(x))), expected)


@pytest.mark.parametrize(
    ("options", "other"),
    [
        ({"scope": "space"}, (slice(None), slice(1, None))),
        ({"scope": "time"}, (slice(None), slice(None), slice(1, None))),
        ({"temporal_group_size": 2}, (slice(None), slice(2, None))),
        ({"temporal_group_size": 1}, (slice(None), slice(1, None))),
        ({}, (slice(1, None),)),
    ],
    ids=["frame", "row", "group", "group of one frame", "example"],
)
@pytest.mark.parametrize("mode", MODES)
def test_other_groups_are_not_seen(rng, mode, options, other):
    block, _ = random_block(rng, VIDEO, mode=mode, **options)
    # Large enough for pairs on both sides of the ReLU's kink.
    x = 10 * random_inputs(rng, VIDEO)
    changed = x.copy()
    changed[other] = 10 * random_inputs(rng, x[other].shape)
    same = np.ones(VIDEO, bool)
    same[other] = False
    before, after = as_numpy(block(x)), as_numpy(block(changed))
    assert_close(after[same], before[same])
    assert np.max(np.abs((after - changed) - (before - x))[~same]) > 1e-2


@pytest.mark.parametrize(
    ("shape", "scope"),
    [
        ((2, 6, 4), "time"),
        ((2, 3, 2, 4), "space"),
        ((2, 1, 3, 2, 4), "space"),
        ((2, 6, 1, 1, 4), "time"),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_scope_of_all_axes_is_spacetime(rng, mode, shape, scope):
    block, _ = random_block(rng, shape, mode=mode, scope=scope)
    whole, _ = random_block(rng, shape, mode=mode, scope="spacetime")
    whole.set_weights(block.get_weights())
    x = random_inputs(rng, shape)
    assert_close(as_numpy(block(x)), as_numpy(whole(x)))


def closed_form(x, weights, mode):
    """The block's output where every key of a position is the position itself."""
    w = {name: np.float64(array) for name, array in weights.items()}

    def project(name, inputs):
        return inputs @ w[f"{name}/kernel"] + w[f"{name}/bias"]

    x = np.float64(x)
    y = project("g", x)
    if mode == "dot_product":
        y *= np.sum(project("theta", x) * project("phi", x), axis=-1, keepdims=True)
    elif mode == "concatenation":
        both = np.concatenate([project("theta", x), project("phi", x)], axis=-1)
        y *= np.maximum(both @ w["w_f"], 0)
    z = project("out", y) - w["norm/moving_mean"]
    z /= np.sqrt(w["norm/moving_variance"] + 1e-5)
    return x + z * w["norm/gamma"] + w["norm/beta"]


@pytest.mark.parametrize(
    ("shape", "pool_size"),
    [((2, 12, 4), None), ((2, 3, 4, 4), 2), ((2, 2, 3, 2, 4), 2)],
)
@pytest.mark.parametrize(("mode", "route"), MODE_ROUTES)
def test_constant_input(rng, mode, route, shape, pool_size):
    block, weights = random_block(
        rng, shape, mode=mode, route=route, pool_size=pool_size
    )
    constants = random_inputs(rng, (2, *(1,) * (len(shape) - 2), 4))
    x = np.ascontiguousarray(np.broadcast_to(constants, shape))
    assert_close(as_numpy(block(x)), closed_form(x, weights, mode))


@pytest.mark.parametrize("shape", [(3, 1, 4), (3, 1, 1, 4), (3, 1, 1, 1, 4)])
@pytest.mark.parametrize(("mode", "route"), MODE_ROUTES)
def test_single_position(rng, mode, route, shape):
    block, weights = random_block(rng, shape, mode=mode, route=route)
    x = random_inputs(rng, shape)
    assert_close(as_numpy(block(x)), closed_form(x, weights, mode))


@pytest.mark.parametrize("route", ROUTES["embedded_gaussian"])
def test_single_key_leaves_the_weights_without_gradient(rng, route):
    shape = (3, 1, 4)
    block, _ = random_block(rng, shape, mode="embedded_gaussian", route=route)
    upstream = rng.normal(size=shape).astype("float32")
    gradients = block_value_and_gradients(block, random_inputs(rng, shape), upstream)[1]
    # Softmax over one key is 1: what remains is rounding of the other gradients' size.
    rounding = 1e-5 * max(np.abs(gradient).max() for gradient in gradients.values())
    for name in ("theta/kernel", "theta/bias", "phi/kernel", "phi/bias"):
        np.testing.assert_allclose(gradients[name], 0, atol=rounding)
    assert np.all(gradients["g/kernel"] != 0)


@pytest.mark.parametrize(
    ("shape", "normalization"),
    [
        ((2, 12, 4), "batch"),
        ((2, 3, 4, 4), "frozen_batch"),
        ((2, 2, 3, 2, 4), "batch"),
        ((2, 2, 3, 2, 4), None),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_identity_at_initialization(rng, mode, shape, normalization):
    block = NonLocalBlock(mode=mode, normalization=normalization)
    x = np.float32(10 * rng.normal(size=shape))
    np.testing.assert_array_equal(as_numpy(block(x)), x)
    np.testing.assert_array_equal(as_numpy(block(x, training=True)), x)


@pytest.mark.parametrize("mode", MODES)
def test_identity_can_be_left_by_training(rng, mode):
    shape = (2, 5, 4)
    for normalization, name in (("batch", "norm/gamma"), (None, "out/kernel")):
        block = NonLocalBlock(
            mode=mode, normalization=normalization, kernel_initializer="ones"
        )
        block.build(shape)
        x = np.abs(random_inputs(rng, shape))
        upstream = np.float32(rng.normal(size=shape))
        gradients = block_value_and_gradients(block, x, upstream, training=True)[1]
        assert np.max(np.abs(gradients[name])) > 1e-3


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize(("mode", "route"), MODE_ROUTES)
def test_large_activations_in_mixed_precision(rng, mode, route, training, policy):
    shape = (2, 24, 16)
    block = NonLocalBlock(
        mode=mode, route=route, dtype=policy, gamma_initializer="ones", momentum=0.0
    )
    block.build(shape)
    x = np.float32(1e3 * rng.normal(size=shape))
    if not training:
        block(x, training=True)  # Without momentum, it leaves the statistics of x.
    upstream = np.full(shape, 1e-2, "float32")
    value, gradients = block_value_and_gradients(block, x, upstream, training=training)
    assert np.max(np.abs(value - x)) > 1e-2
    for name, array in {"output": value, **gradients}.items():
        assert np.all(np.isfinite(array)), name
