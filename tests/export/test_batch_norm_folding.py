"""Folding: the same scores without batch normalizations."""

import keras
import numpy as np
import pytest

import keras_nonlocal
from keras_nonlocal.export import fold_batch_norm
from keras_nonlocal.layers import NonLocalBlock
from tests.export.clip_models import (
    published_network,
    small_network,
    with_random_statistics,
)


def difference(model, folded, shape, seed=1):
    x = np.random.default_rng(seed).normal(size=shape).astype("float32")
    a, b = (keras.ops.convert_to_numpy(m(x, training=False)) for m in (model, folded))
    assert np.abs(a).max() > 1e-3
    return np.abs(a - b).max() / np.abs(a).max()


def normalizations(model):
    return [
        weight.path for weight in model.weights if weight.path.endswith("moving_mean")
    ]


def test_published_network_keeps_its_scores():
    model = published_network(classifier_activation=None)
    weights = [weight.copy() for weight in model.get_weights()]
    folded = fold_batch_norm(model)
    assert len(normalizations(model)) == 53 + 5
    assert normalizations(folded) == []
    assert difference(model, folded, (2, 4, 32, 32, 3)) < 1e-5
    assert folded.input_shape == model.input_shape
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    "block",
    [
        {"mode": "gaussian"},
        {"mode": "dot_product", "use_bias": False},
        {"mode": "concatenation"},
        {"normalization": "frozen_batch", "pool_size": 2},
        {"normalization": None, "out_kernel_initializer": "glorot_uniform"},
    ],
    ids=str,
)
def test_every_block(block):
    model = small_network(activation=None, **block)
    folded = fold_batch_norm(model)
    assert normalizations(folded) == []
    assert difference(model, folded, (2, 4, 32, 32, 3)) < 1e-5


def test_what_follows_no_convolution_stays():
    """A sum, an activation, and a convolution that something else sees as well."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    x = keras.layers.BatchNormalization(name="after_relu")(x)
    y = keras.layers.Conv2D(4, 1, name="seen_twice")(x)
    z = keras.layers.Add()([keras.layers.BatchNormalization(name="beside")(y), y])
    z = keras.layers.BatchNormalization(name="after_sum")(z)
    z = keras.layers.Conv2D(4, 1)(z)
    z = keras.layers.BatchNormalization(name="folded", center=False, scale=False)(z)
    z = keras.layers.Conv2D(4, 1)(z)
    z = keras.layers.BatchNormalization(axis=1, name="along_rows")(z)
    model = with_random_statistics(keras.Model(inputs, z))
    folded = fold_batch_norm(model)
    kept = {path.split("/")[0] for path in normalizations(folded)}
    assert kept == {"after_relu", "beside", "after_sum", "along_rows"}
    assert difference(model, folded, (2, 8, 8, 3)) < 1e-5


def test_sequential_and_shared_layers():
    shared = keras.layers.Dense(4)
    inputs = keras.Input((5,))
    x = keras.layers.BatchNormalization(name="twice")(shared(inputs))
    y = shared(inputs * 2)
    functional = with_random_statistics(keras.Model(inputs, keras.layers.Add()([x, y])))
    assert len(normalizations(fold_batch_norm(functional))) == 1
    assert difference(functional, fold_batch_norm(functional), (2, 5)) < 1e-5
    sequential = with_random_statistics(
        keras.Sequential(
            [
                keras.Input((5,)),
                keras.layers.Dense(4),
                keras.layers.BatchNormalization(),
            ]
        )
    )
    assert normalizations(fold_batch_norm(sequential)) == []
    assert difference(sequential, fold_batch_norm(sequential), (2, 5)) < 1e-5


@pytest.mark.parametrize(
    "normalization",
    [
        keras_nonlocal.layers.FusedBatchNormalization,
        keras_nonlocal.layers.FrozenBatchNormalization,
    ],
)
def test_the_normalizations_of_this_package(normalization):
    inputs = keras.Input((4, 8, 8, 3))
    x = keras.layers.Conv3D(4, 3, use_bias=False)(inputs)
    model = with_random_statistics(keras.Model(inputs, normalization()(x)))
    folded = fold_batch_norm(model)
    assert normalizations(folded) == []
    assert difference(model, folded, (2, 4, 8, 8, 3)) < 1e-5


class SquaredKernelDense(keras.layers.Dense):
    """Its output is not linear in its kernel."""

    def call(self, inputs):
        return keras.ops.matmul(inputs, self.kernel**2) + self.bias


class HalvedNormalization(keras.layers.BatchNormalization):
    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=training, mask=mask) / 2


class NormalizedTwice(NonLocalBlock):
    def call(self, inputs, training=None):
        outputs = super().call(inputs, training=training)
        return self.norm(outputs, training=training)


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [SquaredKernelDense(4), keras.layers.BatchNormalization()],
        lambda: [keras.layers.Dense(4), HalvedNormalization()],
        lambda: [NormalizedTwice()],
    ],
    ids=["layer", "normalization", "block"],
)
def test_subclasses_are_left_alone(layers):
    model = keras.Sequential([keras.Input((4, 8, 8, 4)), *layers()])
    model = with_random_statistics(model)
    folded = fold_batch_norm(model)
    assert len(normalizations(folded)) == 1
    assert difference(model, folded, (2, 4, 8, 8, 4)) < 1e-5


@pytest.mark.parametrize(
    "change",
    [lambda layer: layer.quantize("int8"), lambda layer: layer.enable_lora(2)],
    ids=["int8", "lora"],
)
def test_layers_without_a_plain_kernel_are_left_alone(change):
    inputs = keras.Input((5,))
    dense = keras.layers.Dense(4)
    outputs = keras.layers.BatchNormalization()(dense(inputs))
    model = with_random_statistics(keras.Model(inputs, outputs))
    change(dense)
    folded = fold_batch_norm(model)
    assert len(normalizations(folded)) == 1
    assert difference(model, folded, (2, 5)) < 1e-5


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize:UserWarning")
@pytest.mark.parametrize("mode", ["embedded_gaussian", "concatenation"])
@pytest.mark.parametrize("change", ["int8", "lora", "int8 and lora"])
def test_blocks_without_plain_kernels_keep_their_values(mode, change):
    inputs = keras.Input((6, 16))
    block = NonLocalBlock(mode=mode, kernel_initializer="he_normal")
    model = with_random_statistics(keras.Model(inputs, block(inputs)))
    if "lora" in change:
        block.g.enable_lora(2)
        block.g.lora_kernel_b.assign(keras.ops.ones_like(block.g.lora_kernel_b))
    if "int8" in change:
        model.quantize("int8")
    folded = fold_batch_norm(model)
    # The kernels of integers stay as they are, those with LoRA are merged.
    assert (folded.layers[-1].norm is None) == ("int8" not in change)
    assert difference(model, folded, (2, 6, 16)) < 1e-5


def test_constraints_do_not_bind_the_folded_kernel():
    inputs = keras.Input((5,))
    x = keras.layers.Dense(4, kernel_constraint=keras.constraints.MaxNorm(0.1))(inputs)
    outputs = keras.layers.BatchNormalization()(x)
    model = with_random_statistics(keras.Model(inputs, outputs))
    folded = fold_batch_norm(model)
    assert normalizations(folded) == []
    assert difference(model, folded, (2, 5)) < 1e-5


def test_own_model_classes_are_left_alone():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.block = NonLocalBlock()

        def call(self, x):
            return self.block(x)

    model = Own()
    assert fold_batch_norm(model) is model
