"""Normalized pixels against the formula in float64."""

import keras
import numpy as np
import pytest

from keras_nonlocal.layers import PixelPreprocessing
from tests.layers.gradients import as_numpy

# Half of the distance of two numbers below 4.
ROUNDING = {"float32": 1e-6, "mixed_float16": 2**-10, "mixed_bfloat16": 2**-7}


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("policy", ROUNDING)
def test_only_the_output_is_rounded(rng, policy, dtype):
    pixels = rng.uniform(0, 255, (2, 3, 4, 4, 3)).astype(dtype)
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    layer = PixelPreprocessing(mean, std, dtype=policy)
    values = layer(pixels)
    assert keras.backend.standardize_dtype(values.dtype) == layer.compute_dtype
    expected = (np.float64(pixels) - mean) / std
    np.testing.assert_allclose(as_numpy(values), expected, atol=1.01 * ROUNDING[policy])


def test_pixels_in_bfloat16_networks_keep_their_bits():
    """A network under the policy sees differences of one step of a byte."""
    with_policy = keras.DTypePolicy("mixed_bfloat16")
    inputs = keras.Input((1, 1, 1, 3))
    model = keras.Model(inputs, PixelPreprocessing(dtype=with_policy)(inputs))
    pixels = np.arange(100, 130, dtype="float32")
    clips = np.repeat(pixels[:, None], 3, axis=1).reshape(-1, 1, 1, 1, 3)
    values = as_numpy(model(clips))[:, 0, 0, 0, 0]
    assert len(np.unique(values)) == len(pixels)
