"""`MapConv2D` against Keras's `Conv2D`."""

import keras
import numpy as np
import pytest

from keras_nonlocal.layers import map_convolution
from keras_nonlocal.layers.map_convolution import MapConv2D

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="it is a `Conv2D` elsewhere"
)


@pytest.fixture
def on_all_maps(monkeypatch):
    monkeypatch.setattr(map_convolution, "_LEAST_POSITIONS", 0)


def gradients_of(layer, x, upstream, training=True):
    kernel, *bias = (weight.value for weight in layer.weights)
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x, training=training) if training else layer(x)
    return outputs, tape.gradient(
        outputs, [x, kernel, *bias], tf.convert_to_tensor(upstream)
    )


def pair(dtype="float64", **arguments):
    layers = [
        kind(5, dtype=dtype, **arguments) for kind in (MapConv2D, keras.layers.Conv2D)
    ]
    for layer in layers:
        layer.build((None, None, None, 3))
    layers[0].set_weights(layers[1].get_weights())
    return layers


@pytest.mark.parametrize("size", [(3, 3), (1, 5), (7, 3)])
@pytest.mark.parametrize("use_bias", [True, False])
def test_gradients_are_those_of_keras(size, use_bias, on_all_maps, rng):
    own, plain = pair(
        kernel_size=size, padding="same", use_bias=use_bias, activation="tanh"
    )
    batch, rows, columns = rng.integers(1, 12, size=3)
    x = rng.normal(size=(batch, rows, columns, 3))
    upstream = rng.normal(size=(batch, rows, columns, 5))
    assert own._pays(tf.constant(x))
    found, found_gradients = gradients_of(own, x, upstream)
    expected, gradients = gradients_of(plain, x, upstream, training=False)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert len(found_gradients) == 2 + use_bias
    for one, other in zip(found_gradients, gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-11)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_graphs_of_open_sizes(jit_compile, on_all_maps, rng):
    own, plain = pair("float32", kernel_size=3, padding="same")
    shapes = [None, *[None] * (0 if jit_compile else 2)]
    shape = [*shapes, *([6, 9] if jit_compile else []), 3]
    signature = [
        tf.TensorSpec(shape, "float32"),
        tf.TensorSpec([*shape[:-1], 5], "float32"),
    ]
    in_graph = tf.function(
        lambda x, upstream: gradients_of(own, x, upstream),
        input_signature=signature,
        jit_compile=jit_compile,
    )
    for batch in (1, 3):
        x = rng.normal(size=(batch, 6, 9, 3)).astype("float32")
        upstream = rng.normal(size=(batch, 6, 9, 5)).astype("float32")
        found, found_gradients = in_graph(x, upstream)
        expected, gradients = gradients_of(plain, x, upstream, training=False)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        for one, other in zip(found_gradients, gradients, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)


def test_bfloat16_is_as_exact_as_keras(on_all_maps, rng):
    own, plain = pair("mixed_bfloat16", kernel_size=3, padding="same")
    _, exact = pair("float64", kernel_size=3, padding="same")
    rounded = [tf.cast(weight.value, "bfloat16") for weight in own.weights]
    exact.set_weights([tf.cast(weight, "float64").numpy() for weight in rounded])
    x, upstream = (
        tf.cast(rng.normal(size=(1, 40, 50, channels)), "bfloat16")
        for channels in (3, 5)
    )
    _, found = gradients_of(own, x, upstream)
    _, usual = gradients_of(plain, x, upstream, training=False)
    in_float64 = [tf.cast(each, "float64") for each in (x, upstream)]
    _, expected = gradients_of(exact, *in_float64, training=False)
    for one, other, reference in zip(found[:2], usual[:2], expected[:2], strict=True):
        errors = [
            np.abs(tf.cast(each, "float64") - reference).max() for each in (one, other)
        ]
        rounding = np.abs(reference).max() * 2.0**-8
        assert errors[0] <= max(errors[1], rounding)


@pytest.mark.parametrize(
    "arguments",
    [
        {"strides": 2, "padding": "same"},
        {"dilation_rate": 2, "padding": "same"},
        {"padding": "valid"},
        {"kernel_size": 2, "padding": "same"},
        {"kernel_size": 1, "padding": "same"},
        {"padding": "same", "data_format": "channels_first"},
    ],
)
def test_other_convolutions_are_left_to_keras(arguments, on_all_maps):
    layer = MapConv2D(5, **{"kernel_size": 3, **arguments})
    assert not layer._pays(tf.zeros((1, 64, 64, 3)))


def test_small_maps_are_left_to_keras():
    layer = MapConv2D(5, 3, padding="same")
    assert not layer._pays(tf.zeros((64, 40, 50, 3)))
    assert layer._pays(tf.zeros((1, 64, 64, 3)))


def test_it_is_saved_and_trains_as_a_convolution(tmp_path, on_all_maps, rng):
    keras.utils.set_random_seed(int(rng.integers(1000)))
    inputs = keras.Input((None, None, 3))
    models = [
        keras.Model(inputs, kind(4, 3, padding="same", name="convolution")(inputs))
        for kind in (MapConv2D, keras.layers.Conv2D)
    ]
    models[0].set_weights(models[1].get_weights())
    x = rng.normal(size=(4, 9, 7, 3)).astype("float32")
    y = rng.normal(size=(4, 9, 7, 4)).astype("float32")
    for model in models:
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(x, y, batch_size=2, epochs=2, shuffle=False, verbose=0)
    for own, plain in zip(models[0].weights, models[1].weights, strict=True):
        np.testing.assert_allclose(own, plain, atol=1e-5)
    models[0].save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.get_layer("convolution"), MapConv2D)
    np.testing.assert_array_equal(
        loaded.predict_on_batch(x), models[0].predict_on_batch(x)
    )
