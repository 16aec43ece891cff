"""What Keras expects of a layer: shapes, saving, compilation, state."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_nonlocal.layers import NonLocalBlock, non_local_operation
from keras_nonlocal.layers.route_choice import ROUTES
from tests.layers.gradients import (
    as_numpy,
    block_value_and_gradients,
    variable_name,
)
from tests.layers.random_blocks import random_block

MODES = tuple(ROUTES)
MODE_ROUTES = [(mode, route) for mode in MODES for route in ROUTES[mode]]
BACKEND = keras.backend.backend()
SHAPES = [(2, 6, 8), (2, 4, 6, 8), (2, 2, 4, 6, 8)]

# Every argument with a value that is not its default.
CONFIG = {
    "intermediate_channels": 3,
    "mode": "concatenation",
    "scope": "time",
    "pool_size": (2, 1, 1),
    "temporal_group_size": 4,
    "scale": False,
    "use_bias": False,
    "kernel_initializer": "he_normal",
    "bias_initializer": "ones",
    "out_kernel_initializer": "glorot_uniform",
    "kernel_regularizer": "l2",
    "bias_regularizer": "l1",
    "normalization": "frozen_batch",
    "momentum": 0.5,
    "epsilon": 1e-3,
    "gamma_initializer": "ones",
    "data_format": "channels_first",
    "route": "sorted",
    "memory_limit": 12345,
    "name": "block",
    "dtype": "mixed_bfloat16",
    "trainable": False,
}


def random_inputs(rng, shape):
    return np.float32(rng.normal(size=shape))


# Keras has no public name for the checks that its own layers pass. `keras.src` is
# imported here only; a Keras without it fails this test and nothing else.
@pytest.mark.filterwarnings("ignore:.shuffle=True. was passed:UserWarning")
@pytest.mark.parametrize(
    ("mode", "normalization", "num_kernels", "shape"),
    [
        ("gaussian", "batch", 2, (2, 6, 8)),
        ("embedded_gaussian", "batch", 4, (2, 2, 4, 6, 8)),
        ("dot_product", "frozen_batch", 4, (2, 4, 6, 8)),
        ("concatenation", None, 5, (2, 2, 4, 6, 8)),
    ],
)
def test_run_layer_test(mode, normalization, num_kernels, shape):
    from keras.src.testing import TestCase

    has_norm = normalization is not None
    num_biases = 2 if mode == "gaussian" else 4
    TestCase().run_layer_test(
        NonLocalBlock,
        {
            "mode": mode,
            "normalization": normalization,
            "pool_size": 2,
            "kernel_regularizer": "l2",
        },
        input_shape=shape,
        expected_output_shape=shape,
        expected_num_trainable_weights=num_kernels + num_biases + 2 * has_norm,
        expected_num_non_trainable_weights=2 * has_norm,
        expected_num_seed_generators=0,
        expected_num_losses=num_kernels,
        supports_masking=True,
    )


def test_config_has_every_argument():
    block = NonLocalBlock(**CONFIG)
    config = block.get_config()
    assert set(CONFIG) <= set(config)
    copy = NonLocalBlock.from_config(config)
    assert copy.get_config() == config
    default = NonLocalBlock().get_config()
    assert not [name for name in CONFIG if config[name] == default[name]]
    for name, value in CONFIG.items():
        if isinstance(value, (int, float, tuple)) or name in ("mode", "scope", "route"):
            assert getattr(copy, name) == value


def test_new_initializers_and_regularizers_reach_the_variables():
    block = NonLocalBlock(
        kernel_initializer=keras.initializers.Constant(2.0),
        out_kernel_initializer=keras.initializers.Constant(3.0),
        bias_initializer=keras.initializers.Constant(4.0),
        gamma_initializer=keras.initializers.Constant(5.0),
        kernel_regularizer=keras.regularizers.L2(0.5),
        bias_regularizer=keras.regularizers.L1(0.25),
        mode="concatenation",
    )
    block.build((None, 4, 2))
    values = {variable_name(v): as_numpy(v.value) for v in block.variables}
    for name in ("theta/kernel", "phi/kernel", "g/kernel", "w_f"):
        assert np.all(values[name] == 2)
    assert np.all(values["out/kernel"] == 3)
    for name in ("theta/bias", "phi/bias", "g/bias", "out/bias"):
        assert np.all(values[name] == 4)
    assert np.all(values["norm/gamma"] == 5)
    # θ, φ and g have 2 kernel entries each, w_f 2, W_z 2; biases 1, 1, 1 and 2.
    expected = 0.5 * (8 * 2**2 + 2 * 3**2) + 0.25 * 5 * 4
    losses = [float(as_numpy(loss)) for loss in block.losses]
    assert sum(losses) == pytest.approx(expected)


def test_kernels_of_one_initializer_differ():
    block = NonLocalBlock()
    block.build((None, 5, 8))
    kernels = [as_numpy(layer.kernel) for layer in (block.theta, block.phi, block.g)]
    assert not np.allclose(kernels[0], kernels[1])
    assert not np.allclose(kernels[1], kernels[2])
    for kernel in kernels:
        assert 0.003 < kernel.std() < 0.03


def test_names_of_the_variables():
    block = NonLocalBlock(name="nl", mode="concatenation")
    block.build((None, 5, 8))
    assert {v.path: tuple(v.shape) for v in block.variables} == {
        "nl/theta/kernel": (8, 4),
        "nl/theta/bias": (4,),
        "nl/phi/kernel": (8, 4),
        "nl/phi/bias": (4,),
        "nl/w_f": (8, 1),
        "nl/g/kernel": (8, 4),
        "nl/g/bias": (4,),
        "nl/out/kernel": (4, 8),
        "nl/out/bias": (8,),
        "nl/norm/gamma": (8,),
        "nl/norm/beta": (8,),
        "nl/norm/moving_mean": (8,),
        "nl/norm/moving_variance": (8,),
    }


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_width_of_few_channels(channels):
    block = NonLocalBlock()
    block.build((None, 5, channels))
    assert block.g.kernel.shape == (channels, 1)


@pytest.mark.parametrize("mode", MODES)
def test_saved_model(rng, mode, tmp_path):
    inputs = keras.Input((4, None, None, 8))
    block = NonLocalBlock(
        mode=mode, pool_size=2, temporal_group_size=2, kernel_initializer="he_normal"
    )
    model = keras.Model(inputs, block(inputs))
    block.norm.gamma.assign(rng.uniform(0.5, 1.5, 8))
    block.norm.beta.assign(rng.uniform(0.5, 1.5, 8))  # some, if no pair is active
    x = random_inputs(rng, (2, 4, 3, 5, 8))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.layers[-1], NonLocalBlock)
    for own, saved in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(own, saved)
    expected = as_numpy(model(x))
    assert np.max(np.abs(expected - x)) > 0.1
    np.testing.assert_allclose(as_numpy(loaded(x)), expected, rtol=1e-6, atol=1e-6)


def test_weights_pass_between_normalizations(rng, tmp_path):
    trained, _ = random_block(rng, (None, 6, 8), normalization="batch")
    frozen, _ = random_block(rng, (None, 6, 8), normalization="frozen_batch")
    keras.Sequential([keras.Input((6, 8)), trained]).save_weights(
        tmp_path / "t.weights.h5"
    )
    keras.Sequential([keras.Input((6, 8)), frozen]).load_weights(
        tmp_path / "t.weights.h5"
    )
    x = random_inputs(rng, (2, 6, 8))
    np.testing.assert_array_equal(as_numpy(frozen(x)), as_numpy(trained(x)))


@pytest.mark.parametrize("training", [None, False, True])
def test_batch_statistics(rng, training):
    shape = (4, 6, 8)
    block, _ = random_block(rng, shape, momentum=0.9)
    x = random_inputs(rng, shape)
    before = as_numpy(block.norm.moving_mean.value)
    z = as_numpy(block(x, training=training))
    after = as_numpy(block.norm.moving_mean.value)
    assert (not np.array_equal(before, after)) == bool(training)
    branch = (z - x - as_numpy(block.norm.beta.value)) / as_numpy(block.norm.gamma)
    normalized = np.allclose(branch.mean((0, 1)), 0, atol=1e-3)
    assert normalized == bool(training)


def test_frozen_statistics_stay_in_training(rng):
    shape = (4, 6, 8)
    block, weights = random_block(rng, shape, normalization="frozen_batch")
    x = random_inputs(rng, shape)
    in_training = as_numpy(block(x, training=True))
    np.testing.assert_array_equal(in_training, as_numpy(block(x, training=False)))
    for name in ("moving_mean", "moving_variance"):
        value = as_numpy(getattr(block.norm, name).value)
        np.testing.assert_array_equal(value, weights[f"norm/{name}"])
    names = {variable_name(v) for v in block.trainable_variables}
    assert {"norm/gamma", "norm/beta"} <= names


@pytest.mark.parametrize("shape", SHAPES)
def test_output_shape(shape):
    block = NonLocalBlock()
    unknown = (None,) * (len(shape) - 1) + (8,)
    assert block.compute_output_shape(shape) == shape
    assert block.compute_output_shape(unknown) == unknown
    output = block(keras.KerasTensor(unknown, dtype="float32"))
    assert (output.shape, output.dtype) == (unknown, "float32")
    half = NonLocalBlock(dtype="mixed_bfloat16")(keras.KerasTensor(shape))
    assert (half.shape, half.dtype) == (shape, "bfloat16")


COMPILED = [
    *(
        (mode, route, {"temporal_group_size": 2, "pool_size": (1, 2, 2)})
        for mode, route in MODE_ROUTES
        if route != "auto"
    ),
    ("embedded_gaussian", "auto", {"scope": "space", "pool_size": 2}),
    ("dot_product", "auto", {"scope": "time", "pool_size": (2, 1, 1)}),
]


# torch.compile takes a minute for a block and warns of things in torch and Keras.
JIT = {
    "tensorflow": [False, True],
    "jax": [True],
    "torch": [False, pytest.param(True, marks=pytest.mark.slow)],
}[BACKEND]


@pytest.mark.filterwarnings(*(["ignore"] if BACKEND == "torch" else []))
@pytest.mark.parametrize("jit_compile", JIT)
@pytest.mark.parametrize(("mode", "route", "options"), COMPILED)
def test_compiled_with_unknown_sizes(rng, mode, route, options, jit_compile):
    any_size = (None, None, None, None, 4)
    options = {**options, "mode": mode, "normalization": "frozen_batch"}
    block, _ = random_block(rng, any_size, route=route, **options)
    naive, _ = random_block(rng, any_size, route="naive", **options)
    naive.set_weights(block.get_weights())
    inputs = keras.Input(any_size[1:])
    model = keras.Model(inputs, block(inputs))
    model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=jit_compile)
    x = random_inputs(rng, (1, 2, 5, 2, 4))
    expected = as_numpy(naive(x))
    value = model.predict_on_batch(x)
    np.testing.assert_allclose(value, expected, atol=2e-5 * np.abs(expected).max())

    x = random_inputs(rng, (2, 4, 3, 5, 4))
    before = as_numpy(naive(x))
    gradients = block_value_and_gradients(naive, x, 2 * before / before.size)[1]
    loss = model.train_on_batch(x, np.zeros_like(x))
    assert loss == pytest.approx(np.mean(np.square(before)), rel=1e-4)
    # With softmax the gradient of φ's bias is 0: what is left of it is the rounding
    # of terms as large as those of the other gradients.
    rounding = 1e-6 * max(np.abs(gradient).max() for gradient in gradients.values())
    for variable, old in zip(
        block.trainable_variables, naive.trainable_variables, strict=True
    ):
        step = as_numpy(old.value) - as_numpy(variable.value)
        gradient = gradients[variable_name(old)]
        tolerance = 1e-4 * np.abs(gradient).max() + rounding + 1e-6
        np.testing.assert_allclose(step, gradient, atol=tolerance, rtol=0)


@pytest.mark.parametrize("mode", MODES)
def test_operation_in_a_functional_model(rng, mode, tmp_path):
    theta, phi, g = (keras.Input((None, None, width)) for width in (3, 3, 5))
    w_f = {"w_f": np.ones(6, "float32")} if mode == "concatenation" else {}
    y = non_local_operation(theta, phi, g, mode=mode, **w_f)
    assert y.shape == (None, None, None, 5)
    model = keras.Model([theta, phi, g], y)
    arrays = [
        random_inputs(rng, shape)
        for shape in [(2, 4, 3, 3), (2, 2, 5, 3), (2, 2, 5, 5)]
    ]
    value = as_numpy(model(arrays))
    assert value.shape == (2, 4, 3, 5)
    expected = as_numpy(non_local_operation(*arrays, mode=mode, **w_f))
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    if mode != "concatenation":
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        np.testing.assert_allclose(as_numpy(loaded(arrays)), value, rtol=1e-6)


def test_operation_keeps_the_dtype_of_g(rng):
    arrays = [ops.cast(random_inputs(rng, (1, 4, 3)), "bfloat16") for _ in range(3)]
    y = non_local_operation(*arrays)
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"


def test_a_frozen_norm_stays_frozen():
    x = np.random.default_rng().normal(size=(2, 3, 4, 4, 6)).astype("float32")
    block = NonLocalBlock()
    block(x)
    assert "norm_trainable" not in block.get_config()
    block.norm.trainable = False
    config = block.get_config()
    copy = NonLocalBlock.from_config(config)
    assert copy.get_config() == config
    copy(x, training=True)
    assert copy.get_config() == config
    assert not copy.norm.trainable
    assert len(copy.trainable_weights) == len(block.trainable_weights)
    assert not np.any(keras.ops.convert_to_numpy(copy.norm.moving_mean))
    copy.norm.trainable = True
    assert NonLocalBlock.from_config(copy.get_config()).get_config() != config
