"""The diagnosis of losses that are not finite."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_nonlocal.data import video_dataset_from_directory
from keras_nonlocal.training import (
    NonFiniteLossError,
    StopOnNonFiniteLoss,
    fit_resumably,
)
from tests.data.videos import moving_pictures, write_video

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the clips come from tf.data"
)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Nine videos of noise and a white one."""
    root = tmp_path_factory.mktemp("videos")
    for i in range(10):
        folder = root / "ab"[i % 2]
        folder.mkdir(exist_ok=True)
        frames = moving_pictures(4, 24, 24, i)
        if i == 4:
            frames[:] = 255
        write_video(folder / f"{i}.mp4", frames)
    return root


def dataset(videos):
    return video_dataset_from_directory(
        videos,
        batch_size=2,
        num_frames=2,
        frame_stride=1,
        crop_size=16,
        seed=4,
        verbose=False,
    )


class Trap(keras.layers.Layer):
    """The logarithm of how far from white a clip is: NaN for white ones."""

    def call(self, x):
        return ops.log(0.95 - ops.mean(x, axis=(1, 2, 3)))


class Root(keras.layers.Layer):
    """Finite at 0, where its gradient is not."""

    def call(self, x):
        return ops.sqrt(x)


def network(*layers, loss="sparse_categorical_crossentropy"):
    model = keras.Sequential(
        [
            keras.Input((2, 16, 16, 3)),
            keras.layers.Rescaling(1 / 255),
            *layers,
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1, momentum=0.5), loss, jit_compile=False)
    return model


def position_of_the_white_video(videos, epoch):
    paths = [dataset(videos).batch_paths(epoch, batch) for batch in range(5)]
    return next(
        batch for batch in range(5) if any(p.endswith("4.mp4") for p in paths[batch])
    )


def all_variables(model):
    return [*model.variables, *model.optimizer.variables]


class CopyVariables(keras.callbacks.Callback):
    """Keeps the variables of model and optimizer from before each step."""

    def on_train_batch_begin(self, batch, logs=None):
        self.values = [v.numpy() for v in all_variables(self.model)]


def test_the_first_layer_and_the_files_are_named(videos):
    model, clips = network(Trap(name="trap")), dataset(videos)
    copied = CopyVariables()
    with pytest.raises(NonFiniteLossError) as caught:
        model.fit(
            clips,
            verbose=0,
            shuffle=False,
            callbacks=[copied, StopOnNonFiniteLoss(clips)],
        )
    error = caught.value
    batch = position_of_the_white_video(videos, epoch=error.epoch)
    assert (error.batch, error.culprit) == (batch, "trap")
    assert error.file_paths == clips.batch_paths(error.epoch, batch)
    white = next(p for p in error.file_paths if Path(p).name == "4.mp4")
    assert f"since batch {batch} of epoch" in str(error)
    assert "the layer `trap` (Trap) is the first that is not finite" in str(error)
    assert white in str(error)
    assert len(copied.values) > len(model.variables) + 2
    for variable, before in zip(all_variables(model), copied.values, strict=True):
        np.testing.assert_array_equal(variable.numpy(), before)


def test_several_steps_in_one_are_told_apart(videos):
    model, clips = network(Trap(name="trap")), dataset(videos)
    model.compile(
        "sgd",
        "sparse_categorical_crossentropy",
        jit_compile=False,
        steps_per_execution=5,
    )
    with pytest.raises(NonFiniteLossError) as caught:
        model.fit(
            clips, verbose=0, shuffle=False, callbacks=[StopOnNonFiniteLoss(clips)]
        )
    error = caught.value
    assert error.batch == position_of_the_white_video(videos, error.epoch)


class InfiniteForWhite(keras.Model):
    """A model whose layers are finite, and whose own loss is not for white clips."""

    def __init__(self):
        super().__init__()
        self.network = network(keras.layers.Flatten())

    def call(self, x):
        return self.network(x)

    def functional_part(self, x):
        return self.network, x

    def compute_loss(self, x=None, y=None, y_pred=None, *others, **kwargs):
        is_white = ops.mean(ops.cast(x, "float32"), axis=(1, 2, 3, 4)) > 250
        return ops.mean(y_pred) + ops.sum(ops.where(is_white, np.inf, 0.0))


def test_the_batch_of_a_loss_that_alone_is_not_finite(videos):
    model, clips = InfiniteForWhite(), dataset(videos)
    model.compile("sgd", jit_compile=False, steps_per_execution=5)
    with pytest.raises(NonFiniteLossError, match="the loss is not") as caught:
        model.fit(
            clips, verbose=0, shuffle=False, callbacks=[StopOnNonFiniteLoss(clips)]
        )
    error = caught.value
    assert error.culprit is None
    assert error.batch == position_of_the_white_video(videos, error.epoch)


class CrashError(Exception):
    """Ends a process of these tests."""


class CrashInSecondBatch(keras.callbacks.Callback):
    """Comes when the state after the first batch is saved."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            raise CrashError


def test_the_batch_is_right_in_a_resumed_epoch(videos, tmp_path):
    batch = position_of_the_white_video(videos, epoch=0)
    assert batch >= 2, "choose another seed"

    def train(*callbacks):
        clips = dataset(videos)
        fit_resumably(
            network(Trap(name="trap")),
            clips,
            tmp_path,
            epochs=1,
            save_freq=1,
            verbose=0,
            callbacks=[StopOnNonFiniteLoss(clips), *callbacks],
        )

    with pytest.raises(CrashError):
        train(CrashInSecondBatch())
    with pytest.raises(NonFiniteLossError) as caught:
        train()
    assert (caught.value.epoch, caught.value.batch) == (0, batch)


def test_a_gradient_is_told_from_a_layer(videos):
    model = network(
        keras.layers.GlobalAveragePooling3D(),
        keras.layers.Dense(3, kernel_initializer="zeros", name="first"),
        Root(),
    )
    clips = dataset(videos)
    with pytest.raises(NonFiniteLossError, match="the gradient of an earlier step"):
        model.fit(
            clips, verbose=0, shuffle=False, callbacks=[StopOnNonFiniteLoss(clips)]
        )


def test_a_loss_is_told_from_a_layer(videos):
    def infinite(y_true, y_pred):
        return ops.sum(y_pred, axis=-1) / 0.0

    model, clips = (
        network(keras.layers.GlobalAveragePooling3D(), loss=infinite),
        dataset(videos),
    )
    with pytest.raises(NonFiniteLossError, match="all layers are finite") as caught:
        model.fit(
            clips, verbose=0, shuffle=False, callbacks=[StopOnNonFiniteLoss(clips)]
        )
    assert caught.value.batch == 0
    assert caught.value.culprit is None


def test_a_finite_training_is_left_alone(videos):
    clips = dataset(videos)
    histories = []
    for callbacks in ([], [StopOnNonFiniteLoss(clips)]):
        keras.utils.set_random_seed(1)
        clips.resume(0)
        model = network(keras.layers.GlobalAveragePooling3D())
        fitted = model.fit(
            clips, epochs=2, verbose=0, shuffle=False, callbacks=callbacks
        )
        histories.append(fitted.history)
    assert histories[0] == histories[1]


def test_only_a_clip_dataset_can_be_diagnosed(videos):
    with pytest.raises(TypeError, match="`clips` must be a clip dataset"):
        StopOnNonFiniteLoss(dataset(videos).map(lambda x, y: (x, y)))
