"""What `test_checkpoints.py` holds in TensorFlow, once on each backend."""

import keras
import numpy as np
import pytest

from keras_nonlocal.data import video_dataset_from_directory
from keras_nonlocal.training import (
    ReplicatedModel,
    StopOnNonFiniteLoss,
    Throughput,
    fit_resumably,
    nesterov_sgd,
)
from tests.data.videos import moving_pictures, write_video

pytest.importorskip("tensorflow")


class CrashError(Exception):
    """Ends a process of this test."""


class CrashAt(keras.callbacks.Callback):
    """Raises after a number of batches."""

    def __init__(self, batches):
        super().__init__()
        self.batches_left = batches

    def on_train_batch_end(self, batch, logs=None):
        self.batches_left -= 1
        if not self.batches_left:
            raise CrashError


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    for i in range(6):
        folder = root / "ab"[i % 2]
        folder.mkdir(exist_ok=True)
        write_video(folder / f"{i}.mp4", moving_pictures(4, 24, 24, i))
    return root


def train(videos, directory, *callbacks):
    keras.utils.set_random_seed(7)
    clips = keras.Input((2, 8, 8, 3))
    x = keras.layers.Rescaling(1 / 255)(clips)
    x = keras.layers.BatchNormalization()(keras.layers.Conv3D(4, (1, 3, 3))(x))
    x = keras.layers.Dropout(0.5)(keras.layers.GlobalAveragePooling3D()(x))
    model = ReplicatedModel(clips, keras.layers.Dense(2, activation="softmax")(x))
    model.compile(
        nesterov_sgd(0.1),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=keras.backend.backend() == "jax",
    )
    throughput = Throughput()
    dataset = video_dataset_from_directory(
        videos,
        batch_size=2,
        num_frames=2,
        frame_stride=1,
        crop_size=8,
        seed=5,
        verbose=False,
    )
    watched = throughput.watch(dataset)
    history = fit_resumably(
        model,
        watched,
        directory,
        epochs=2,
        save_freq=1,
        verbose=0,
        callbacks=[throughput, StopOnNonFiniteLoss(watched), *callbacks],
    )
    return model, history.history


def test_crashes_leave_no_trace(videos, tmp_path):
    expected, expected_history = train(videos, tmp_path / "whole")
    for batches in (2, 3):
        with pytest.raises(CrashError):
            train(videos, tmp_path / "parts", CrashAt(batches))
    model, history = train(videos, tmp_path / "parts")
    for own, right in zip(model.variables, expected.variables, strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(own), keras.ops.convert_to_numpy(right), own.path
        )
    for name in ("loss", "accuracy"):
        assert history[name] == expected_history[name]
