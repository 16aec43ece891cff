"""Training on two devices of JAX and on one, run in a process of its own.

`python -m tests.training.jax_data_parallel SEED` prints a JSON object.
"""

import json
import sys
from typing import Any

import jax
import keras
import numpy as np

import keras_nonlocal
from keras_nonlocal.training import ReplicatedModel

SHAPE = (2, 6, 6, 3)


def toy_model() -> ReplicatedModel:
    inputs = keras.Input(SHAPE)
    x = keras.layers.Conv3D(4, (1, 3, 3), kernel_regularizer="l2")(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras_nonlocal.layers.NonLocalBlock(gamma_initializer="ones")(x)
    x = keras.layers.GlobalAveragePooling3D()(x)
    return ReplicatedModel(inputs, keras.layers.Dense(3, "softmax")(x))


def train(
    initial: list[np.ndarray] | None, x: np.ndarray, y: np.ndarray
) -> tuple[list[np.ndarray], list[np.ndarray], int, dict[str, Any]]:
    model = toy_model()
    if initial is not None:
        model.set_weights(initial)
    start = model.get_weights()
    model.compile(
        keras.optimizers.SGD(0.02, momentum=0.9),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history
    devices = len(model.trainable_variables[0].value.sharding.device_set)
    return start, model.get_weights(), devices, history


def main() -> None:
    seed = int(sys.argv[1])
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(24, *SHAPE)).astype("float32")
    y = rng.integers(0, 3, 24)
    start, one, one_device, one_history = train(None, x, y)
    keras.distribution.set_distribution(
        keras.distribution.DataParallel(devices=keras.distribution.list_devices())
    )
    _, many, devices, many_history = train(start, x, y)
    difference = [float(np.abs(a - b).max()) for a, b in zip(one, many, strict=True)]
    moved = [float(np.abs(a - b).max()) for a, b in zip(start, many, strict=True)]
    results = {
        "device_count": jax.device_count(),
        "devices": [one_device, devices],
        "weights": max(difference),
        "moved": max(moved),
        "history": max(
            float(np.abs(np.subtract(one_history[key], many_history[key])).max())
            for key in one_history
        ),
    }
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    main()
