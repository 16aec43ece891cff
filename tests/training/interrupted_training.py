"""A small training, for a process that is killed.

python -m tests.training.interrupted_training VIDEOS DIRECTORY REPLICAS SECONDS

With SECONDS, each write to the disk takes that long, so that a kill is likely to hit
one. With TF_CONFIG in the environment, it is one of several workers.
"""

import os
import sys
import time

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

from keras_nonlocal.data import video_dataset_from_directory
from keras_nonlocal.training import (
    ReplicatedModel,
    fit_resumably,
    nesterov_sgd,
    step_schedule,
)

EPOCHS = 3


def dataset(videos: str):
    return video_dataset_from_directory(
        videos,
        batch_size=4,
        num_frames=2,
        frame_stride=1,
        crop_size=16,
        seed=5,
        verbose=False,
    )


def network() -> keras.Model:
    """Has all the state there is: dropout, batch normalization, momentum, a rate."""
    clips = keras.Input((2, 16, 16, 3))
    x = keras.layers.Rescaling(1 / 255)(clips)
    x = keras.layers.Conv3D(4, (1, 3, 3), strides=(1, 2, 2))(x)
    x = keras.layers.BatchNormalization(momentum=0.5)(x)
    x = keras.layers.Dropout(0.5)(keras.layers.GlobalAveragePooling3D()(x))
    scores = keras.layers.Dense(2, activation="softmax")(x)
    model = ReplicatedModel(clips, scores)
    model.compile(
        nesterov_sgd(step_schedule(0.1, (4, 9))),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def slow_down_writing(seconds: float) -> None:
    """Writes in pieces, with pauses before a file is whole and before it is renamed."""
    replace, write_array = os.replace, __import__("numpy").lib.format.write_array

    def slow_write_array(*arguments, **options):
        time.sleep(seconds / 30)
        write_array(*arguments, **options)

    def slow_replace(*arguments):
        time.sleep(seconds / 3)
        replace(*arguments)

    __import__("numpy").lib.format.write_array = slow_write_array
    os.replace = slow_replace


def main(videos: str, directory: str, replicas: str, seconds: str) -> None:
    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    else:
        devices = [f"CPU:{i}" for i in range(int(replicas))]
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * len(devices),
        )
        strategy = tf.distribute.MirroredStrategy(devices)
    if float(seconds):
        slow_down_writing(float(seconds))
    keras.utils.set_random_seed(7)
    with strategy.scope():
        model = network()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    clips = dataset(videos)
    history = fit_resumably(
        model, clips, directory, epochs=EPOCHS, save_freq=1, verbose=0
    )
    assert len(history.epoch) == EPOCHS


if __name__ == "__main__":
    main(*sys.argv[1:])
