"""Multiply-adds against products written out by hand."""

import keras
import pytest

import keras_nonlocal
from keras_nonlocal.layers import NonLocalBlock
from keras_nonlocal.models import count_complexity


def model_of(layer, shape):
    inputs = keras.Input(shape)
    return keras.Model(inputs, layer(inputs))


def test_convolution_and_dense():
    layer = keras.layers.Conv3D(7, (3, 1, 1), strides=(1, 2, 2), use_bias=False)
    complexity = count_complexity(model_of(layer, (4, 6, 6, 5)))
    assert complexity.parameters == 3 * 5 * 7
    assert complexity.multiply_adds == (2 * 3 * 3) * (3 * 5 * 7)
    dense = count_complexity(model_of(keras.layers.Dense(4), (6, 5)))
    assert (dense.parameters, dense.multiply_adds) == (24, 6 * 20)


N, M, C, D = 4 * 6 * 6, 4 * 3 * 3, 8, 4  # positions, pooled positions, channels


@pytest.mark.parametrize(
    ("mode", "products"),
    [
        ("embedded_gaussian", (2 * N + 2 * M) * C * D + 2 * N * M * D),
        ("dot_product", (2 * N + 2 * M) * C * D + 2 * N * M * D),
        ("gaussian", (N + M) * C * D + N * M * (C + D)),
        ("concatenation", (2 * N + 2 * M) * C * D + (N + M) * D + N * M * D),
    ],
)
def test_block(mode, products):
    block = NonLocalBlock(mode=mode, pool_size=(1, 2, 2))
    complexity = count_complexity(model_of(block, (4, 6, 6, C)))
    assert complexity.multiply_adds == products + N * C


def test_groups_divide_the_pairs():
    whole = count_complexity(model_of(NonLocalBlock(normalization=None), (4, 6, 6, C)))
    groups = NonLocalBlock(normalization=None, temporal_group_size=2)
    halves = count_complexity(model_of(groups, (4, 6, 6, C)))
    pairs = 2 * N * N * D
    assert whole.multiply_adds - halves.multiply_adds == pairs // 2


def test_unknown_sizes_are_an_error():
    model = keras_nonlocal.ResNet50C2D(
        input_shape=(None, 32, 32, 3), width=4, classes=2
    )
    with pytest.raises(ValueError, match="input of known sizes"):
        count_complexity(model)
