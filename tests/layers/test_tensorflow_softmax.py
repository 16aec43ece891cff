"""Products in bfloat16, beside float64 in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_nonlocal.layers import non_local_operation
from tests.layers.gradients import value_and_gradients

tf = pytest.importorskip("tensorflow")
if keras.backend.backend() != "tensorflow":
    pytest.skip("kernels of TensorFlow", allow_module_level=True)

from keras_nonlocal.layers.kernels.tensorflow_softmax import (  # noqa: E402
    softmax_in_bfloat16,
)

BATCH, QUERIES, KEYS, WIDTH, WIDTH_G = 2, 150, 60, 24, 40
ROUNDING = 2.0**-8
# A constant in all keys and values, and the spread around it.
INPUTS = {
    "around zero": (0, 1),
    "large logits": (0, 3),
    "small logits": (0, 0.05),
    "a large constant": (10, 0.3),
    "a constant and large logits": (3, 2),
}


def reference(theta, phi, g, upstream, scale, mask):
    """The result and the gradients, in float64."""
    logits = scale * theta @ phi.swapaxes(1, 2)
    if mask is not None:
        logits = np.where(mask[:, None], logits, -np.inf)
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    weights = exponentials / exponentials.sum(axis=-1, keepdims=True)
    slopes = upstream @ g.swapaxes(1, 2)
    slopes -= (weights * slopes).sum(axis=-1, keepdims=True)
    d_logits = scale * weights * slopes
    return weights @ g, {
        "theta": d_logits @ phi,
        "phi": d_logits.swapaxes(1, 2) @ theta,
        "g": weights.swapaxes(1, 2) @ upstream,
    }


def rounded(array):
    narrow = ops.cast(ops.convert_to_tensor(np.float32(array)), "bfloat16")
    return np.asarray(ops.convert_to_numpy(ops.cast(narrow, "float32")), "float64")


def error(value, expected):
    return np.linalg.norm(value - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("inputs", INPUTS)
def test_errors_are_a_few_roundings(rng, inputs, masked):
    constant, spread = INPUTS[inputs]
    arrays = {
        name: rounded(
            constant * rng.normal(size=(1, 1, width))
            + spread * rng.normal(size=(BATCH, count, width))
        )
        for name, count, width in (
            ("theta", QUERIES, WIDTH),
            ("phi", KEYS, WIDTH),
            ("g", KEYS, WIDTH_G),
        )
    }
    upstream = rounded(rng.normal(size=(BATCH, QUERIES, WIDTH_G)))
    mask, scale = None, WIDTH**-0.5
    if masked:
        mask = rng.random((BATCH, KEYS)) < 0.7
        arrays["g"] *= mask[..., None]

    def function(tensors):
        narrow = {name: ops.cast(x, "bfloat16") for name, x in tensors.items()}
        y = softmax_in_bfloat16(**narrow, scale=scale, key_mask=mask)
        assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
        return ops.cast(y, "float32")

    value, gradients = value_and_gradients(
        function, {name: np.float32(x) for name, x in arrays.items()}, upstream
    )
    expected, slopes = reference(**arrays, upstream=upstream, scale=scale, mask=mask)
    # Of the weights, and of the result.
    assert error(value, expected) < 1.5 * ROUNDING
    for name, slope in slopes.items():
        # Further ones, of the factors of each product.
        assert error(gradients[name], slope) < 3 * ROUNDING, name


def test_no_key_counts(rng):
    theta, phi, g = (
        ops.cast(np.float32(rng.normal(size=(1, 5, 3))), "bfloat16") for _ in range(3)
    )
    mask = ops.zeros((1, 5), "bool")
    y = softmax_in_bfloat16(theta, phi, ops.zeros_like(g), 1.0, mask)
    assert not np.any(ops.convert_to_numpy(ops.cast(y, "float32")))


def test_xla_compiles_open_sizes(rng):
    shape = tf.TensorSpec((None, None, 4), tf.bfloat16)

    def slopes(theta, phi):
        with tf.GradientTape() as tape:
            tape.watch([theta, phi])
            y = softmax_in_bfloat16(theta, phi, phi, 0.5)
        return y, *tape.gradient(y, [theta, phi])

    for batch, queries, keys in ((2, 7, 5), (1, 6, 1)):
        arrays = [
            tf.cast(rng.normal(size=(batch, count, 4)), tf.bfloat16)
            for count in (queries, keys)
        ]
        plain, compiled = (
            tf.function(slopes, input_signature=[shape] * 2, jit_compile=jit)(*arrays)
            for jit in (False, True)
        )
        for one, other in zip(plain, compiled, strict=True):
            one, other = (tf.cast(x, tf.float32).numpy() for x in (one, other))
            np.testing.assert_allclose(one, other, atol=4 * ROUNDING * abs(one).max())


def test_other_types_are_computed_in_float32(rng):
    arrays = [np.float32(rng.normal(size=(1, 5, 3))) for _ in range(3)]
    for narrow in range(3):
        tensors = {
            name: ops.cast(array, "bfloat16" if index <= narrow else "float32")
            for index, (name, array) in enumerate(zip("abc", arrays, strict=True))
        }

        def function(tensors):
            return ops.cast(
                non_local_operation(*tensors.values(), route="naive"), "float32"
            )

        upstream = np.ones((1, 5, 3))
        _, gradients = value_and_gradients(function, tensors, upstream)
        for gradient in gradients.values():
            assert np.all(np.isfinite(gradient))


def test_second_derivatives(rng):
    arrays = [
        tf.cast(rng.normal(size=(1, count, 4)), tf.bfloat16) for count in (7, 5, 5)
    ]

    def penalty_gradients(attend):
        @tf.function
        def function(*tensors):
            with tf.GradientTape() as outer:
                outer.watch(tensors)
                with tf.GradientTape() as inner:
                    inner.watch(tensors)
                    y = tf.reduce_sum(tf.square(tf.cast(attend(*tensors), "float32")))
                slopes = inner.gradient(y, tensors)
                wide = [tf.cast(slope, "float32") for slope in slopes]
                penalty = tf.add_n([tf.reduce_sum(tf.square(one)) for one in wide])
            return outer.gradient(penalty, tensors)

        return [tf.cast(one, "float32").numpy() for one in function(*arrays)]

    def exact(theta, phi, g):
        theta, phi, g = (tf.cast(x, "float32") for x in (theta, phi, g))
        return tf.nn.softmax(tf.matmul(theta, 0.5 * phi, transpose_b=True)) @ g

    found = penalty_gradients(lambda *tensors: softmax_in_bfloat16(*tensors, 0.5))
    for one, other in zip(found, penalty_gradients(exact), strict=True):
        assert error(one, other) < 8 * ROUNDING
