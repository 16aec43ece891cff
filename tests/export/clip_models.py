"""Tiny models from clips to scores whose every weight matters."""

import keras
import numpy as np

import keras_nonlocal
from keras_nonlocal.layers import NonLocalBlock, PixelPreprocessing


def with_random_statistics(model, seed=0):
    """Gives normalizations and the classifier values as if they had been trained."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "moving_variance" in weight.path or "gamma" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif "moving_mean" in weight.path or "beta" in weight.path:
            weight.assign(rng.normal(0, 0.2, weight.shape))
        elif "predictions" in weight.path:
            weight.assign(rng.normal(0, 0.3, weight.shape))
        elif "bias" in weight.path:
            weight.assign(rng.normal(0, 0.1, weight.shape))
    return model


def published_network(input_shape=(4, 32, 32, 3), **arguments):
    """The published network with 1/16 of its channels."""
    model = keras_nonlocal.NLResNet50I3D(
        input_shape=input_shape, classes=6, width=4, **arguments
    )
    with_random_statistics(model)
    kernel = model.get_layer("predictions").kernel
    features = keras.Model(model.inputs[0], model.get_layer("avg_pool").output)
    logits = scores_of(features, random_clips(4, 4, 32, 32, 3)) @ kernel
    # Scores that are neither 0 nor 1.
    kernel.assign(kernel / float(keras.ops.std(logits)))
    return model


def small_network(
    input_shape=(4, 32, 32, 3), activation="softmax", has_preprocessing=False, **block
):
    """One convolution, one block, one classifier."""
    inputs = keras.Input(input_shape)
    x = PixelPreprocessing()(inputs) if has_preprocessing else inputs
    x = keras.layers.Conv3D(8, (1, 5, 5), strides=(1, 4, 4), use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Activation("relu")(x)
    x = NonLocalBlock(**block)(x)
    x = keras.layers.GlobalMaxPooling3D()(x)
    outputs = keras.layers.Dense(3, activation=activation, name="predictions")(x)
    return with_random_statistics(keras.Model(inputs, outputs))


def random_clips(*shape, seed=0):
    """Bytes of the shape."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def scores_of(model, clips):
    """What the Keras model says of bytes, as an array."""
    pixels = keras_nonlocal.preprocess_input(clips)
    return keras.ops.convert_to_numpy(model(pixels, training=False))
