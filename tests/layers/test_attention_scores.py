"""The weights of the pairs, for all positions and for one."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_nonlocal.layers import NonLocalBlock
from tests.layers.gradients import as_numpy
from tests.layers.random_blocks import random_block

MODES = ("gaussian", "embedded_gaussian", "dot_product", "concatenation")
VIDEO = (2, 4, 6, 5, 4)

# Options -> shape of all scores, and of those of one position.
LAYOUTS = [
    ({}, (2, 1, 120, 120), (2, 4, 6, 5)),
    ({"pool_size": 2}, (2, 1, 120, 24), (2, 4, 3, 2)),
    ({"scope": "space", "pool_size": 2}, (2, 4, 30, 6), (2, 3, 2)),
    ({"scope": "time", "pool_size": 3}, (2, 30, 4, 1), (2, 1)),
    ({"temporal_group_size": 2}, (2, 2, 60, 60), (2, 2, 6, 5)),
    ({"scope": "time", "temporal_group_size": 2}, (2, 60, 2, 2), (2, 2)),
]


@pytest.mark.parametrize(("options", "all_shape", "_one"), LAYOUTS)
@pytest.mark.parametrize("mode", MODES)
def test_scores_are_the_weights_of_the_sum(rng, mode, options, all_shape, _one):
    block, _ = random_block(rng, VIDEO, mode=mode, normalization=None, **options)
    x = np.float32(rng.normal(size=VIDEO))
    z, scores = block(x, return_attention_scores=True)
    assert tuple(scores.shape) == all_shape
    np.testing.assert_allclose(as_numpy(z), as_numpy(block(x)), rtol=1e-4, atol=1e-4)
    if "gaussian" in mode:
        np.testing.assert_allclose(as_numpy(scores).sum(-1), 1, rtol=1e-5)
        assert as_numpy(scores).min() >= 0


@pytest.mark.parametrize("mode", MODES)
def test_scores_weigh_g(rng, mode):
    shape = (2, 7, 4)
    block, weights = random_block(rng, shape, mode=mode, normalization=None)
    x = np.float32(rng.normal(size=shape))
    z, scores = block(x, return_attention_scores=True)
    g = x @ weights["g/kernel"] + weights["g/bias"]
    y = as_numpy(scores)[:, 0] @ g
    expected = x + y @ weights["out/kernel"] + weights["out/bias"]
    np.testing.assert_allclose(as_numpy(z), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(("options", "_all", "one_shape"), LAYOUTS)
@pytest.mark.parametrize("mode", MODES)
def test_one_position_is_its_row_of_all(
    rng, mode, options, _all, one_shape, data_format
):
    x = np.float32(rng.normal(size=VIDEO))
    if data_format == "channels_first":
        x = np.moveaxis(x, -1, 1)
    block, _ = random_block(rng, x.shape, mode=mode, data_format=data_format, **options)
    frame, row, column = position = (2, 4, 1)
    size = options.get("temporal_group_size", 4)
    group, query = {
        "spacetime": (frame // size, (frame % size) * 30 + row * 5 + column),
        "space": (frame, row * 5 + column),
        "time": ((row * 5 + column) * (4 // size) + frame // size, frame % size),
    }[options.get("scope", "spacetime")]
    one = as_numpy(block.attention_scores(x, query_position=position))
    assert one.shape == one_shape
    of_all = as_numpy(block.attention_scores(x))[:, group, query]
    np.testing.assert_allclose(one.reshape(2, -1), of_all, rtol=1e-4, atol=1e-6)


def test_scores_in_a_functional_model(rng):
    inputs = keras.Input((None, 4))
    block = NonLocalBlock(pool_size=2, kernel_initializer="glorot_normal")
    z, scores = block(inputs, return_attention_scores=True)
    assert z.shape == (None, None, 4)
    assert scores.shape == (None, 1, None, None)
    model = keras.Model(inputs, [z, scores])
    x = np.float32(rng.normal(size=(2, 6, 4)))
    z, scores = model(x)
    assert tuple(scores.shape) == (2, 1, 6, 3)
    np.testing.assert_array_equal(as_numpy(z), x)


def test_scores_stay_in_float32_in_mixed_precision(rng):
    block, _ = random_block(rng, (2, 7, 4), dtype="mixed_bfloat16")
    x = ops.cast(np.float32(rng.normal(size=(2, 7, 4))), "bfloat16")
    scores = block.attention_scores(x)
    assert keras.backend.standardize_dtype(scores.dtype) == "float32"
    _, spec = block(keras.KerasTensor((2, 7, 4)), return_attention_scores=True)
    assert spec.dtype == "float32"
    np.testing.assert_allclose(as_numpy(scores).sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize("position", [(0, 0), (4, 0, 0), (0, -1, 0), (0, 0, 0.5)])
def test_no_such_position(rng, position):
    block, _ = random_block(rng, VIDEO)
    with pytest.raises(
        ValueError, match=r"`query_position` must .*Received: query_pos"
    ):
        block.attention_scores(np.zeros(VIDEO, "float32"), query_position=position)


def test_not_built():
    with pytest.raises(ValueError, match=r"has been built. Received: layer='b', bui"):
        NonLocalBlock(name="b").attention_scores(np.zeros(VIDEO, "float32"))
