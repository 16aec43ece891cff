"""Videos and models made so that one knows what must be seen in them."""

import keras
import numpy as np

from keras_nonlocal.layers import NonLocalBlock, PixelPreprocessing

RED, GRAY = (230, 30, 30), (110, 110, 110)
SIDE = 32


def gray_video(num_frames, patches, side=SIDE):
    """Gray frames with red patches of 8×8 at `(frame, row, column)` in pixels."""
    frames = np.full((num_frames, side, side, 3), GRAY, np.uint8)
    for frame, row, column in patches:
        frames[frame, row : row + 8, column : column + 8] = RED
    return frames


def red_attends_to_red(num_frames=8, **block):
    """Features are redness over 4×4 pixels; equal features attend to each other."""
    inputs = keras.Input((num_frames, SIDE, SIDE, 3))
    x = PixelPreprocessing(mean=(0, 0, 0), std=(255, 255, 255))(inputs)
    convolution = keras.layers.Conv3D(
        2, (1, 4, 4), (1, 4, 4), use_bias=False, name="redness"
    )
    x = convolution(x)
    x = NonLocalBlock(mode="gaussian", name="block", **block)(x)
    x = keras.layers.Activation("relu", name="after")(x)
    x = keras.layers.GlobalAveragePooling3D()(x)
    outputs = keras.layers.Dense(3, activation="softmax", name="predictions")(x)
    model = keras.Model(inputs, outputs)
    kernel = np.zeros((1, 4, 4, 3, 2), "float32")
    kernel[..., 0, 0], kernel[..., 1:, 0] = 0.4, -0.2  # red
    kernel[..., 1:, 1] = 0.1  # not red
    convolution.kernel.assign(kernel)
    model.get_layer("predictions").kernel.assign([[9.0, 0.0, 0.0], [0.0, 5.0, 0.0]])
    return model


def random_network(clip=(4, 32, 32, 3), **block):
    """A convolution and a block whose weights differ from place to place."""
    inputs = keras.Input(clip)
    x = keras.layers.Conv3D(6, 5, (1, 4, 4), "same", activation="relu")(inputs)
    x = NonLocalBlock(
        kernel_initializer="glorot_uniform", name="first", mode="dot_product"
    )(x)
    x = NonLocalBlock(
        kernel_initializer=keras.initializers.RandomNormal(stddev=1.0, seed=1),
        name="last",
        **block,
    )(x)
    x = keras.layers.Conv3D(4, 3, activation="relu", name="features")(x)
    x = keras.layers.GlobalAveragePooling3D()(x)
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
