"""A worker that trains until something stops it, and says how it ends.

`python -m tests.training.endless_worker` prints a line when the training runs and, if
it fails, the type of the error.
"""

import os
import sys

import numpy as np
import tensorflow as tf

from keras_nonlocal.replicas import ReplicatedModel


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    import keras

    class SayRunning(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            if epoch == 0:
                say("running")

    with strategy.scope():
        inputs = keras.Input((4,))
        model = ReplicatedModel(inputs, keras.layers.Dense(1)(inputs))
        model.compile("sgd", "mse", jit_compile=False)
    x, y = np.zeros((8, 4), "float32"), np.zeros((8, 1), "float32")
    try:
        model.fit(x, y, batch_size=4, epochs=10**9, verbose=0, callbacks=[SayRunning()])
    except (tf.errors.OpError, RuntimeError) as error:
        say(type(error).__name__)
        # Threads of the cluster wait for the dead worker: do not join them.
        os._exit(3)


if __name__ == "__main__":
    main()
