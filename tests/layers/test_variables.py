"""Initial values, dtypes and frozen states of a block's variables."""

import copy

import keras
import numpy as np
import pytest

from keras_nonlocal.layers import NonLocalBlock, non_local_operation
from keras_nonlocal.layers.route_choice import ROUTES
from tests.layers.gradients import as_numpy

SHAPE = (2, 4, 8)
NAMES = ("theta", "phi", "g")


def kernels(block):
    return [as_numpy(getattr(block, name).kernel) for name in NAMES]


@pytest.mark.parametrize(
    "initializer",
    [
        keras.initializers.RandomNormal(seed=3),
        keras.initializers.Orthogonal(seed=0),
        keras.initializers.HeUniform(seed=keras.random.SeedGenerator(5)),
        keras.initializers.GlorotUniform(),
    ],
    ids=lambda initializer: type(initializer).__name__,
)
def test_projections_start_differently(initializer):
    block = NonLocalBlock(kernel_initializer=initializer, mode="concatenation")
    block.build(SHAPE)
    theta, phi, g = kernels(block)
    assert not np.allclose(theta, phi)
    assert not np.allclose(phi, g)
    assert not np.allclose(as_numpy(block.w_f)[:4, 0], theta[0])


def test_a_seed_says_the_values():
    blocks = [
        NonLocalBlock(kernel_initializer=keras.initializers.HeNormal(seed=seed))
        for seed in (11, 11, 12)
    ]
    for block in blocks:
        block.build(SHAPE)
    values = [kernels(block) for block in blocks]
    for first, second, other in zip(*values, strict=True):
        np.testing.assert_array_equal(first, second)
        assert not np.allclose(first, other)
    # The first projection has the seed itself.
    own = keras.initializers.HeNormal(seed=11)((8, 4))
    np.testing.assert_array_equal(values[0][0], as_numpy(own))


@keras.saving.register_keras_serializable("tests")
def quarters(shape, dtype=None):
    return keras.ops.full(shape, 0.25, dtype=dtype)


class Halves(keras.initializers.Initializer):
    """An initializer that says nothing of its arguments."""

    def __init__(self, value):
        self.value = value

    def __call__(self, shape, dtype=None):
        return keras.ops.full(shape, self.value, dtype=dtype)


@pytest.mark.parametrize(
    ("initializer", "value"), [(quarters, 0.25), (Halves(0.5), 0.5)]
)
def test_functions_and_plain_classes_are_initializers(initializer, value):
    block = NonLocalBlock(
        kernel_initializer=initializer,
        bias_initializer=initializer,
        out_kernel_initializer=initializer,
        gamma_initializer=initializer,
    )
    block.build(SHAPE)
    assert all(
        np.all(as_numpy(v.value) == value) for v in block.trainable_variables[:-1]
    )
    if initializer is quarters:
        again = NonLocalBlock.from_config(block.get_config())
        assert again.kernel_initializer is quarters


def frozen_state(block):
    return [block.trainable, block.theta.trainable, block.norm.trainable]


def built(block):
    block.build(SHAPE)
    return block


def statistics_after_a_step(block):
    block(np.random.default_rng().normal(size=SHAPE).astype("float32"), training=True)
    return as_numpy(block.norm.moving_variance.value)


def copies(block):
    model = keras.Sequential([block])
    clone = keras.models.clone_model(model).layers[0]
    return {
        "config": NonLocalBlock.from_config(block.get_config()),
        "deepcopy": copy.deepcopy(block),
        "clone_model": clone,
    }


@pytest.mark.parametrize("how", ["", "config", "deepcopy", "clone_model"])
def test_frozen_before_it_is_built(how):
    block = NonLocalBlock()
    block.trainable = False
    block = built(copies(block)[how] if how else block)
    assert frozen_state(block) == [False, False, False]
    assert block.trainable_variables == []
    np.testing.assert_array_equal(statistics_after_a_step(block), 1)
    block.trainable = True
    assert frozen_state(block) == [True, True, True]
    assert np.all(statistics_after_a_step(block) < 1)


@pytest.mark.parametrize("how", ["", "config", "deepcopy", "clone_model"])
def test_thawed_before_it_is_built(how):
    block = NonLocalBlock(trainable=False)
    block.trainable = True
    block = built(copies(block)[how] if how else block)
    assert frozen_state(block) == [True, True, True]
    assert np.all(statistics_after_a_step(block) < 1)


@pytest.mark.parametrize("how", ["config", "deepcopy", "clone_model"])
def test_copies_keep_a_frozen_normalization(how):
    block = built(NonLocalBlock())
    block.norm.trainable = False
    block = copies(block)[how]
    if not block.built:
        built(block)
    assert frozen_state(block) == [True, True, False]
    thawed = NonLocalBlock.from_config(block.get_config())
    # An assignment that changes nothing has no effect on TensorFlow.
    thawed.trainable = False
    thawed.trainable = True
    assert frozen_state(built(thawed)) == [True, True, True]


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool"])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_integers_become_floats(rng, dtype, policy):
    x = rng.integers(0, 2, SHAPE).astype(dtype)
    block = NonLocalBlock(gamma_initializer="ones", dtype=policy)
    z = block(x)
    spec = block.compute_output_spec(keras.KerasTensor(SHAPE, dtype=dtype))
    assert keras.backend.standardize_dtype(z.dtype) == spec.dtype == block.compute_dtype
    expected = block(x.astype("float32"))
    np.testing.assert_array_equal(as_numpy(z), as_numpy(expected))


@pytest.mark.parametrize("mode", [mode for mode in ROUTES if mode != "concatenation"])
def test_the_operation_on_integers(rng, mode):
    theta, phi, g = rng.integers(-2, 3, (3, 2, 5, 4))
    y = non_local_operation(theta, phi, g, mode)
    assert keras.backend.standardize_dtype(y.dtype) == "float32"
    expected = non_local_operation(
        *(np.float32(array) for array in (theta, phi, g)), mode
    )
    np.testing.assert_allclose(as_numpy(y), as_numpy(expected), rtol=1e-6)


def test_complex_numbers_are_refused():
    x = np.ones(SHAPE, "complex64")
    with pytest.raises(ValueError, match=r"Received: inputs\.dtype=.*complex64"):
        NonLocalBlock()(x)
    with pytest.raises(ValueError, match=r"Received: theta\.dtype=.*complex64"):
        non_local_operation(x, x, x)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="torch has these views")
def test_negative_views(rng):
    import torch

    values = torch.from_numpy(rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE))
    view = values.conj().imag
    assert view.is_neg()
    block = NonLocalBlock(gamma_initializer="ones")
    expected = block(view.resolve_neg().clone())
    np.testing.assert_array_equal(as_numpy(block(view)), as_numpy(expected))
