"""Padded positions: no weight, not counted, not changed."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_nonlocal.layers import NonLocalBlock, non_local_operation
from keras_nonlocal.layers.route_choice import ROUTES
from tests.layers.gradients import (
    as_numpy,
    assert_gradients_are_close,
    value_and_gradients,
    variable_name,
)
from tests.layers.random_blocks import random_block
from tests.layers.reference import reference_block, reference_gradients

MODES = tuple(ROUTES)
MODE_ROUTES = [
    (mode, route) for mode in MODES for route in ROUTES[mode] if route != "auto"
]
# Input shape, scope, pool size and temporal groups.
LAYOUTS = {
    "signal": ((3, 12, 4), "time", None, None),
    "pooled-signal": ((3, 13, 4), "spacetime", (3,), None),
    "groups": ((2, 8, 4), "time", (2,), 4),
    "image": ((2, 5, 4, 4), "space", (2, 2), None),
    "video": ((2, 4, 2, 3, 4), "spacetime", (2, 1, 1), None),
    "video-space": ((2, 2, 4, 4, 4), "space", (1, 2, 2), None),
    "video-time": ((1, 8, 2, 2, 4), "time", (2, 1, 1), 4),
}


def random_mask(rng, shape):
    """About half of the positions, a whole pool and the start of one example masked."""
    mask = rng.random(shape[:-1]) < 0.6
    mask[0, :3] = False
    mask[..., -1] = True
    return mask


def masked_value_and_gradients(block, x, mask, upstream):
    variables = {variable_name(v): v for v in block.trainable_variables}

    def call(tensors):
        mapping = [(variables[name], tensors[name]) for name in variables]
        with keras.StatelessScope(state_mapping=mapping):
            return block(tensors["inputs"], mask=mask)

    arrays = {name: as_numpy(v.value) for name, v in variables.items()}
    return value_and_gradients(call, {"inputs": x, **arrays}, np.float32(upstream))


def assert_close(value, expected, tolerance):
    assert value.shape == expected.shape
    np.testing.assert_allclose(
        value, expected, rtol=0, atol=tolerance * np.max(np.abs(expected))
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("mode", "route"), MODE_ROUTES)
def test_block(rng, mode, route, layout):
    shape, scope, pool_size, groups = LAYOUTS[layout]
    options = {
        "mode": mode,
        "scope": scope,
        "pool_size": pool_size,
        "temporal_group_size": groups,
    }
    block, weights = random_block(
        rng, shape, route=route, intermediate_channels=3, **options
    )
    x = np.float32(0.7 * rng.normal(size=shape))
    mask, upstream = random_mask(rng, shape), rng.normal(size=shape)
    value, gradients = masked_value_and_gradients(block, x, mask, upstream)
    expected = reference_block(x, weights, mask=mask, **options)
    assert_close(value - x, expected - x, 1e-5)
    expected = reference_gradients(x, weights, upstream, mask=mask, **options)
    assert_gradients_are_close(gradients, expected, 1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_padding_changes_nothing(rng, mode):
    block, _ = random_block(rng, (1, 9, 4), mode=mode, pool_size=2)
    x = np.float32(rng.normal(size=(1, 6, 4)))
    padded = np.full((1, 9, 4), np.nan, "float32")
    padded[:, :6] = x
    mask = np.arange(9)[None] < 6
    value = as_numpy(block(padded, mask=mask))
    assert_close(value[:, :6], as_numpy(block(x)), 1e-5)
    assert np.all(np.isnan(value[:, 6:]))


@pytest.mark.parametrize(("mode", "route"), MODE_ROUTES)
def test_without_any_position_nothing_is_added(rng, mode, route):
    shape = (2, 7, 4)
    block, _ = random_block(
        rng, shape, mode=mode, route=route, pool_size=3, normalization=None
    )
    x, upstream = (np.float32(rng.normal(size=shape)) for _ in range(2))
    mask = np.array([[False] * 7, [True] * 7])
    value, gradients = masked_value_and_gradients(block, x, mask, upstream)
    np.testing.assert_array_equal(value[0], x[0])
    assert_close(value[1:], as_numpy(block(x[1:])), 1e-5)
    np.testing.assert_array_equal(gradients["inputs"][0], upstream[0])
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients.values())


@pytest.mark.parametrize("query_position", [None, (3, 1, 1)])
@pytest.mark.parametrize("mode", MODES)
def test_attention_scores(rng, mode, query_position):
    shape = (2, 4, 4, 3, 4)
    block, _ = random_block(rng, shape, mode=mode, scope="space", pool_size=2)
    x, mask = np.float32(rng.normal(size=shape)), random_mask(rng, shape)
    mask[:, 3, :2, :2] = False
    mask[:, 3, 2, 0] = True
    if query_position is None:
        scores = as_numpy(block.attention_scores(x, mask=mask))[:, 3]
        z, returned = block(x, mask=mask, return_attention_scores=True)
        np.testing.assert_array_equal(scores, as_numpy(returned)[:, 3])
        assert_close(as_numpy(z), as_numpy(block(x, mask=mask)), 1e-5)
    else:
        scores = as_numpy(block.attention_scores(x, query_position, mask=mask))
    scores = scores.reshape(2, -1, 2)
    # Two keys: the pool at the top is masked.
    np.testing.assert_array_equal(scores[..., 0], 0)
    if "gaussian" in mode:
        np.testing.assert_allclose(scores[..., 1], 1, rtol=1e-6)


@pytest.mark.parametrize("first", [False, True])
def test_a_mask_of_frames(rng, first):
    shape = (2, 4, 3, 3, 5)
    data_format = "channels_first" if first else "channels_last"
    built_for = (2, 5, 4, 3, 3) if first else shape
    block, weights = random_block(rng, built_for, data_format=data_format)
    x = np.float32(rng.normal(size=shape))
    frames = np.array([[True, True, False, False], [False, True, True, True]])
    inputs = np.moveaxis(x, -1, 1) if first else x
    value = as_numpy(block(inputs, mask=frames))
    mask = np.broadcast_to(frames[:, :, None, None], shape[:-1])
    expected = reference_block(x, weights, mode="embedded_gaussian", mask=mask)
    assert_close(np.moveaxis(value, 1, -1) if first else value, expected, 1e-5)


def test_batch_statistics_are_those_of_unmasked_positions(rng):
    shape = (3, 8, 4)
    block, weights = random_block(rng, shape, momentum=0.0)
    x, mask = np.float32(rng.normal(size=shape)), random_mask(rng, shape)
    block(x, mask=mask, training=True)
    unnormalized = {k: v for k, v in weights.items() if not k.startswith("norm")}
    added = reference_block(x, unnormalized, mode="embedded_gaussian", mask=mask) - x
    np.testing.assert_allclose(
        as_numpy(block.norm.moving_mean.value), added[mask].mean(0), rtol=1e-4
    )
    np.testing.assert_allclose(
        as_numpy(block.norm.moving_variance.value), added[mask].var(0), rtol=1e-4
    )


def test_keras_passes_masks_in_and_on(rng):
    x = np.float32(rng.normal(size=(2, 6, 4)))
    x[0, 4:] = 0
    x[1, 1:] = 0
    inputs = keras.Input((None, 4))
    block = NonLocalBlock(gamma_initializer="ones", kernel_initializer="he_normal")
    masked = keras.layers.Masking()(inputs)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(block(masked)))
    scores = as_numpy(model(x))
    for example, length in zip(x, (4, 1), strict=True):
        own = as_numpy(block(example[None, :length]))
        np.testing.assert_allclose(scores[0], own.mean(1)[0], rtol=1e-5, atol=1e-6)
        scores = scores[1:]


def test_padding_trains_nothing(rng):
    """Other values in padded positions, the same weights after two steps."""
    x = np.float32(rng.normal(size=(4, 6, 4)))
    mask = np.arange(6)[None] < np.array([[6], [3], [1], [4]])
    x[~mask] = 0
    y = np.float32(rng.normal(size=(4, 4)))
    weights = []
    for content in (0.0, 5.0):
        inputs, lengths = keras.Input((6, 4)), keras.Input((6,), dtype="bool")
        outputs = NonLocalBlock(
            kernel_initializer=keras.initializers.RandomNormal(seed=1),
            gamma_initializer="ones",
            name="block",
        )(inputs, mask=lengths)
        outputs = keras.layers.GlobalAveragePooling1D()(outputs, mask=lengths)
        model = keras.Model([inputs, lengths], outputs)
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        padded = np.where(mask[..., None], x, np.float32(content))
        model.train_on_batch([padded, mask], y)
        model.train_on_batch([padded, mask], y)
        weights.append(model.get_weights())
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(2,), (2, 5), (2, 6, 4)])
def test_masks_of_other_shapes_are_refused(shape):
    block = NonLocalBlock()
    with pytest.raises(ValueError, match=r"Received: mask\.shape=\(2"):
        block(np.zeros((2, 6, 4), "float32"), mask=np.ones(shape, "bool"))


@pytest.mark.parametrize(("mode", "route"), MODE_ROUTES)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_operation_without_some_keys(rng, mode, route, dtype):
    theta, phi, g = (np.float32(rng.normal(size=(2, n, 4))) for n in (6, 9, 9))
    w_f = np.float32(rng.normal(size=8)) if mode == "concatenation" else None
    mask = np.array([[True] * 5 + [False] * 4] * 2)
    arrays = [theta, phi.copy(), g.copy()]
    arrays[1][:, 5:] = np.inf
    arrays[2][:, 5:] = np.nan
    tensors = [ops.cast(ops.convert_to_tensor(a), dtype) for a in arrays]
    y = non_local_operation(*tensors, mode, w_f=w_f, route=route, key_mask=mask)
    expected = non_local_operation(
        theta, phi[:, :5], g[:, :5], mode, w_f=w_f, route="naive"
    )
    tolerance = 1e-5 if dtype == "float32" else 0.06
    assert_close(as_numpy(y), as_numpy(expected), tolerance)
