"""Which data workers divide, and what they do with them, without other workers."""

from typing import Any
from unittest import mock

import keras
import numpy as np
import pytest

from keras_nonlocal.training import Throughput, transform_clips
from keras_nonlocal.training.resumable.progress import describe_batch
from keras_nonlocal.training.workers.own_parts import (
    has_own_parts,
    own_parts,
    weights_of,
)
from tests.data.datasets.test_worker_parts import clips_of
from tests.data.numbered_videos import NumberedVideo

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's"
)


@pytest.fixture
def strategy() -> Any:
    """That of two workers with a device each."""
    strategy = mock.create_autospec(
        tf.distribute.MultiWorkerMirroredStrategy, instance=True
    )
    strategy.num_replicas_in_sync = 2
    strategy.extended.worker_devices = ("/cpu:0",)
    return strategy


def halved(clips: Any) -> Any:
    return clips.map(lambda x, y: (x / 2, y))


def model_on(
    strategy: Any, monkeypatch: pytest.MonkeyPatch, synchronized: bool
) -> keras.Model:
    inputs = keras.Input((3,))
    norm = keras.layers.BatchNormalization(synchronized=synchronized)
    model = keras.Model(inputs, norm(inputs))
    monkeypatch.setattr(type(model), "distribute_strategy", strategy)
    return model


@pytest.mark.parametrize(
    ("synchronized", "on_error", "batch", "has_parts"),
    [
        (False, "skip", 4, True),
        (True, "raise", 4, True),
        # A part without clips is more than such a norm can stand.
        (True, "skip", 4, False),
        (False, "raise", 1, False),
    ],
)
def test_data_are_divided_if_replicas_can_use_all_parts(
    strategy: Any,
    monkeypatch: pytest.MonkeyPatch,
    synchronized: bool,
    on_error: str,
    batch: int,
    has_parts: bool,
) -> None:
    model = model_on(strategy, monkeypatch, synchronized)
    clips = clips_of(9, batch, on_error=on_error)
    assert has_own_parts(clips, model) == has_parts
    assert not has_own_parts(clips.map(lambda x, y: (x, y)), model)
    for per_clip in (False, True):
        changed = transform_clips(clips, halved, per_clip=per_clip)
        assert has_own_parts(changed, model) == (has_parts and per_clip)


def test_weights_of_classes_and_of_samples_exclude_each_other(strategy: Any) -> None:
    weighted = transform_clips(
        clips_of(4, 2),
        lambda clips: clips.map(lambda x, y: (x, y, tf.ones_like(y))),
        per_clip=True,
    )
    with pytest.raises(ValueError, match=r"be `None`.*Received: class_weight=\{0: 2\}"):
        own_parts(weighted, strategy, {0: 2})


def test_the_speed_is_that_of_all_workers() -> None:
    for watched_first in (True, False):
        for worker, replicas in ((0, 1), (1, 1), (1, 2)):
            throughput = Throughput()
            clips = clips_of(15, 5, seed=1)
            if watched_first:
                clips = transform_clips(throughput.watch(clips), halved, per_clip=True)
            else:
                clips = throughput.watch(transform_clips(clips, halved, per_clip=True))
            assert len([*clips.part_of_worker(worker, 2, replicas)]) == 3 * replicas
            counted = [count for count, _ in throughput._elements]
            assert sum(counted) == pytest.approx(15)
            assert throughput._elements_per_step == replicas


def test_left_out_videos_do_not_move_the_place_to_resume_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clips = clips_of(12, 4, seed=1, on_error="skip")
    before = describe_batch(clips, 0, 2)
    first = clips.batch_paths(0, 0)
    monkeypatch.setattr(NumberedVideo, "broken", frozenset(map(int, first)))
    assert sum(len(labels) for _, labels in clips.part_of_worker(0, 1, 1)) == 8
    assert clips.batch_paths(0, 0) == []
    assert describe_batch(clips, 0, 2) == before
    assert before is not None
    assert before["batch_size"] == 4


@pytest.mark.parametrize(
    "labels",
    [
        np.array([2, 0, 1, 3]),
        np.array([[2], [0], [1], [3]], np.uint8),
        np.array([1.9999, 0, 1, 3], np.float32),
        np.eye(4, dtype=np.float32)[[2, 0, 1, 3]],
    ],
)
def test_weights_of_classes_are_those_of_keras(labels: np.ndarray) -> None:
    weights = {0: 0.5, 2: 3.0, 3: 7.0}
    expected = []

    class Noting(keras.Model):
        def train_step(self, data: Any) -> Any:
            expected.append(np.ravel(data[2]))
            return {"loss": 0.0}

    model = Noting()
    model.compile("sgd", "mse", run_eagerly=True)
    data = tf.data.Dataset.from_tensors((np.zeros((4, 2)), labels))
    model.fit(data, class_weight=weights, shuffle=False, verbose=0)
    found = weights_of(tf.constant(labels), weights)
    np.testing.assert_array_equal(found, expected[-1])
    np.testing.assert_array_equal(found, [3.0, 0.5, 1.0, 7.0])
