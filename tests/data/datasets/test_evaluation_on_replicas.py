"""Evaluation on two replicas, of which the last batches leave one with less or nothing.

In a process of its own: the number of devices is settled before their first use.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.videos import moving_pictures, write_video

pytest.importorskip("tensorflow")

CODE = """
import json, sys
import numpy as np
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
import keras
from keras_nonlocal.data import VideoList, video_dataset_from_list

videos = VideoList(tuple(sys.argv[1:]), (0, 1, 2, 0, 1, 2, 2), ("a", "b", "c"))
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    model = keras.Sequential(
        [
            keras.Input((4, 24, 24, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.GlobalAveragePooling3D(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(
        loss="sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False
    )
found = {}
for count in (7, 5):
    dataset = video_dataset_from_list(
        videos.select(range(count)),
        batch_size=4,
        num_frames=4,
        frame_stride=2,
        crop_size=24,
        shuffle=False,
        verbose=False,
    )
    clips, labels = (np.concatenate(parts) for parts in zip(*dataset))
    scores = np.array(model(clips))
    loss = -np.log(scores[np.arange(count), labels]).mean()
    accuracy = (scores.argmax(axis=1) == labels).mean()
    found[count] = [model.evaluate(dataset, verbose=0), [float(loss), float(accuracy)]]
    found[count].append(float(np.abs(model.predict(dataset, verbose=0) - scores).max()))
print(json.dumps(found))
"""


@pytest.mark.slow
def test_the_last_partial_batch_counts_by_its_videos(tmp_path: Path) -> None:
    paths = [
        write_video(tmp_path / f"{i}.mp4", moving_pictures(20, 36, 48, i))
        for i in range(7)
    ]
    result = subprocess.run(
        [sys.executable, "-c", CODE, *paths], capture_output=True, text=True, check=True
    )
    for got, expected, difference in json.loads(result.stdout).values():
        assert got == pytest.approx(expected, rel=1e-5)
        assert difference < 1e-6
