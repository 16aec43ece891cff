"""Convolutions of clips as convolutions of pictures."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_nonlocal.layers.folded_convolution import FoldedConv3D, convolve_folded

in_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="kernels of TensorFlow"
)
CASES = [
    ((1, 1, 1), (1, 1, 1), "valid", 3),
    ((1, 3, 3), (1, 2, 2), "same", 4),
    ((1, 1, 1), (1, 2, 2), "valid", 5),
    ((3, 1, 1), (1, 1, 1), "same", 3),
    ((3, 1, 1), (2, 1, 1), "valid", 3),
    ((5, 7, 7), (1, 2, 2), "valid", 3),
    ((2, 3, 4), (2, 1, 3), "valid", 2),
]


@pytest.mark.parametrize(("size", "strides", "padding", "channels"), CASES)
def test_it_equals_the_convolution_of_clips(size, strides, padding, channels, rng):
    inputs = rng.normal(size=(2, 6, 9, 11, channels)).astype("float32")
    kernel = rng.normal(size=(*size, channels, 3)).astype("float32")
    x, w = ops.convert_to_tensor(inputs), ops.convert_to_tensor(kernel)
    expected = ops.conv(x, w, strides=strides, padding=padding)
    folded = convolve_folded(x, w, strides, padding)
    scale = np.prod(size) * channels
    np.testing.assert_allclose(
        ops.convert_to_numpy(folded),
        ops.convert_to_numpy(expected),
        atol=scale * np.finfo("float32").eps * 16,
    )


@pytest.mark.parametrize(
    ("size", "strides", "padding", "channels"),
    [
        ((3, 3, 3), (1, 1, 1), "same", 2),
        ((3, 3, 3), (1, 1, 1), "valid", 64),
        ((1, 3, 3), (2, 1, 1), "same", 64),
        ((3, 1, 1), (1, 2, 2), "same", 2),
        # Longer than the clip: Keras names the fault.
        ((5, 3, 3), (1, 1, 1), "valid", 2),
    ],
)
def test_others_are_left_to_keras(size, strides, padding, channels):
    x, w = ops.zeros((1, 4, 5, 5, channels)), ops.zeros((*size, channels, 3))
    assert convolve_folded(x, w, strides, padding) is None


@pytest.mark.parametrize(("size", "strides", "padding", "channels"), CASES)
def test_the_layer_is_a_convolution_of_keras(size, strides, padding, channels, rng):
    options = {"strides": strides, "padding": padding, "activation": "relu"}
    layer = FoldedConv3D(4, size, bias_initializer="normal", **options)
    plain = keras.layers.Conv3D(4, size, **options)
    inputs = keras.Input((None, None, None, channels))
    models = [keras.Model(inputs, one(inputs)) for one in (layer, plain)]
    plain.set_weights(layer.get_weights())
    assert models[0].output.shape == models[1].output.shape
    x = rng.normal(size=(2, 7, 12, 10, channels)).astype("float32")
    found, expected = (model.predict(x, verbose=0) for model in models)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert type(copy) is FoldedConv3D
    assert copy.get_config() == layer.get_config()


def random_convolution(rng):
    """Arguments of a layer and the shape of its inputs, often shorter than kernels."""
    frames, side = (int(rng.choice(sizes)) for sizes in ([1, 3, 5], [1, 1, 3]))
    strides = (int(rng.choice([1, 1, 2])), *(int(rng.choice([1, 2])),) * 2)
    shape = (*rng.integers(1, 8, size=4), rng.choice([3, 8, 32]))
    return {"kernel_size": (frames, side, side), "strides": strides}, tuple(
        int(size) for size in shape
    )


def gradients(layer, x, upstream):
    tf = pytest.importorskip("tensorflow")

    @tf.function
    def differentiate(x, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        return y, *tape.gradient(y, [x, layer.kernel.value], upstream)

    return [tf.cast(value, "float32").numpy() for value in differentiate(x, upstream)]


@in_tensorflow
def test_gradients_in_bfloat16_are_those_of_float32(rng):
    for _ in range(25):
        arguments, shape = random_convolution(rng)
        layers = [
            FoldedConv3D(16, padding="same", use_bias=False, dtype=dtype, **arguments)
            for dtype in ("mixed_bfloat16", "float32")
        ]
        for layer in layers:
            layer.build(shape)
        # Numbers that both types have.
        kernel, x, upstream = (
            ops.cast(ops.cast(rng.normal(size=size), "bfloat16"), "float32")
            for size in (
                layers[0].kernel.shape,
                shape,
                layers[0].compute_output_shape(shape),
            )
        )
        for layer in layers:
            layer.kernel.assign(kernel)
        narrow = (ops.cast(each, "bfloat16") for each in (x, upstream))
        found = gradients(layers[0], *narrow)
        expected = gradients(layers[1], x, upstream)
        for one, other in zip(found, expected, strict=True):
            # Sums are rounded to 8 bits.
            np.testing.assert_allclose(
                one, other, rtol=0, atol=0.02 * np.abs(other).max(), err_msg=arguments
            )


PRODUCTS = [
    # Kernel, strides, padding, clip, channels, filters.
    ((3, 1, 1), (1, 1, 1), "same", (5, 4, 3), 6, 7),
    ((3, 1, 1), (1, 1, 1), "valid", (5, 4, 3), 6, 7),
    ((5, 1, 1), (1, 1, 1), "same", (2, 4, 3), 6, 7),
    ((2, 1, 1), (1, 1, 1), "same", (4, 3, 2), 5, 4),
    ((1, 1, 1), (1, 1, 1), "same", (3, 4, 5), 6, 7),
    ((1, 1, 1), (1, 2, 2), "valid", (3, 4, 6), 6, 7),
    ((1, 3, 3), (1, 1, 1), "same", (2, 5, 4), 256, 260),
    ((1, 3, 2), (1, 1, 1), "same", (2, 5, 4), 256, 256),
    ((1, 3, 3), (1, 1, 1), "valid", (2, 5, 4), 256, 256),
    ((1, 3, 3), (1, 2, 2), "valid", (2, 6, 8), 256, 256),
]
# These are left to TensorFlow.
OTHERS = [
    ((3, 1, 1), (2, 1, 1), "same", (5, 4, 3), 6, 7),
    ((1, 1, 1), (1, 2, 2), "valid", (3, 5, 6), 6, 7),
    ((1, 3, 3), (1, 2, 2), "same", (2, 6, 8), 256, 256),
    ((1, 3, 3), (1, 1, 1), "same", (2, 6, 8), 8, 256),
    ((3, 3, 3), (1, 1, 1), "same", (3, 5, 6), 4, 4),
]


@in_tensorflow
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("case", [*PRODUCTS, *OTHERS])
def test_gradients_in_training(rng, case, jit_compile, monkeypatch):
    import tensorflow as tf

    from keras_nonlocal.layers.kernels import tensorflow_kernel_gradients as kernels

    calls, products = [], kernels._kernel_gradient
    monkeypatch.setattr(
        kernels,
        "_kernel_gradient",
        lambda *arguments: calls.append(1) or products(*arguments),
    )
    size, strides, padding, clip, channels, filters = case
    shape = (2, *clip, channels)
    for dtype in ("float32", "mixed_bfloat16"):
        own, plain = (
            kind(
                filters,
                size,
                strides=strides,
                padding=padding,
                activation="relu",
                bias_initializer="normal",
                dtype=dtype if kind is FoldedConv3D else "float32",
            )
            for kind in (FoldedConv3D, keras.layers.Conv3D)
        )
        own.build(shape)
        plain.build(shape)
        for weight, other in zip(own.weights, plain.weights, strict=True):
            weight.assign(ops.cast(ops.cast(weight, own.compute_dtype), "float32"))
            other.assign(weight)
        x = tf.cast(tf.cast(rng.normal(size=shape), own.compute_dtype), "float32")

        def differentiate(layer, x, **arguments):
            weights = [weight.value for weight in layer.weights]
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tf.cast(layer(x, **arguments), "float32")
                # Slopes of one sign, so that bfloat16 rounds no differences.
                loss = tf.reduce_sum(tf.square(y))
            return y, *tape.gradient(loss, [x, *weights])

        def trained(x, layer=own):
            return differentiate(layer, x, training=True)

        function = tf.function(trained, jit_compile=jit_compile)
        found = function(tf.cast(x, own.compute_dtype))
        expected = differentiate(plain, x)
        tolerance = 1e-5 if dtype == "float32" else 2**-6
        for one, other in zip(found, expected, strict=True):
            one, other = tf.cast(one, "float32").numpy(), other.numpy()
            error = np.linalg.norm(one - other) / np.linalg.norm(other)
            assert error < tolerance, one.shape
    # All of them in bfloat16, and those over frames in float32.
    assert len(calls) == (case in PRODUCTS) * (2 if size[0] > 1 else 1)


@in_tensorflow
@pytest.mark.parametrize("size", [(3, 1, 1), (1, 1, 1)])
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_second_derivatives_in_training(rng, size, dtype):
    import tensorflow as tf

    layer = FoldedConv3D(4, size, padding="same", activation="tanh", dtype=dtype)
    layer.build((None, 4, 3, 3, 2))
    x = tf.constant(rng.normal(size=(2, 4, 3, 3, 2)), layer.compute_dtype)

    def penalty_gradient(training):
        @tf.function
        def function(x):
            with tf.GradientTape() as outer:
                with tf.GradientTape() as inner:
                    inner.watch(x)
                    y = tf.reduce_sum(tf.square(layer(x, training=training)))
                penalty = tf.reduce_sum(tf.square(inner.gradient(y, x)))
            return outer.gradient(penalty, layer.kernel.value)

        return function(x).numpy()

    expected = penalty_gradient(training=False)
    error = np.linalg.norm(penalty_gradient(training=True) - expected)
    tolerance = 1e-5 if dtype == "float32" else 2**-4
    assert error < tolerance * np.linalg.norm(expected)


@in_tensorflow
def test_gradients_of_another_operation_are_its_own(rng):
    import tensorflow as tf

    class Scaled(FoldedConv3D):
        def convolution_op(self, inputs, kernel):
            return super().convolution_op(inputs, kernel / tf.norm(kernel))

    layer = Scaled(4, (3, 1, 1), padding="same")
    layer.build((None, 4, 3, 3, 2))
    x = tf.constant(rng.normal(size=(2, 4, 3, 3, 2)), "float32")

    @tf.function
    def gradient(training):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(layer(x, training=training)))
        return tape.gradient(loss, layer.kernel.value)

    np.testing.assert_allclose(gradient(True), gradient(False), rtol=1e-4, atol=1e-4)


@in_tensorflow
def test_only_training_has_own_gradients():
    import tensorflow as tf

    layer = FoldedConv3D(4, (3, 1, 1), padding="same")
    inputs = keras.Input((4, 3, 3, 2))
    model = keras.Model(inputs, layer(inputs))
    clips = tf.TensorSpec((None, 4, 3, 3, 2))

    def operations(training):
        traced = tf.function(lambda x: model(x, training=training))
        return {
            op.type for op in traced.get_concrete_function(clips).graph.get_operations()
        }

    assert "IdentityN" in operations(True)
    assert "IdentityN" not in operations(False)
