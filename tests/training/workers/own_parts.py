"""A worker, or one process for all of them, that notes which videos it decodes.

`python -m tests.training.workers.own_parts FOLDER NUM_VIDEOS BATCH KIND BROKEN [STOP]`
prints a JSON object: `decoded`, the number of a video for each clip that was decoded
for training; `weights`; `seeds` of dropout; `iterations` after each epoch; and `logs`.
BROKEN is the number of a video that cannot be read, or -1. With STOP, the network has
dropout, and the training ends without an output after that many batches, if it is not
0. With TF_CONFIG in the environment, this is one of several workers.
"""

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_nonlocal import data, training
from keras_nonlocal.replicas.sublayers import seed_states
from keras_nonlocal.training.strategies import strategy_by_name
from tests.data.numbered_videos import NumberedVideo
from tests.data.videos import moving_pictures, write_video
from tests.training.resumable.crashes import CrashAt

EPOCHS = 3
# Videos from this number on are for validation.
VALIDATION = 100


def clips_of(
    kind: str, num_videos: int, batch: int, folder: Path, first: int = 0
) -> data.ClipDataset:
    numbers = range(first, first + num_videos)
    videos = data.VideoList(tuple(map(str, numbers)), tuple(i % 2 for i in numbers))
    open_video: Any = NumberedVideo
    if kind == "records":
        # Each process writes its own.
        own = Path(tempfile.mkdtemp(dir=folder))
        paths = [
            str(write_video(own / f"{i}.mp4", moving_pictures(20, 16, 16, i)))
            for i in range(num_videos)
        ]
        files = replace(videos, paths=tuple(paths))
        videos = data.write_video_records(files, own, verbose=False)
        open_video = data.RecordReader
    return data.video_dataset_from_list(
        videos,
        batch_size=batch,
        num_frames=16 if kind == "records" else 2,
        frame_stride=1,
        crop_size=256 if kind == "records" else 8,
        short_side=256 if kind == "records" else 8,
        seed=3,
        open_video=open_video,
        on_error="skip",
        verbose=False,
        workers=2 if kind == "processes" else 0,
    )


def main() -> None:
    folder, num_videos, batch = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    kind, NumberedVideo.broken = sys.argv[4], frozenset([int(sys.argv[5])])
    stop = int(sys.argv[6]) if sys.argv[6:] else None
    name = "multi-worker" if "TF_CONFIG" in os.environ else "none"
    strategy = strategy_by_name(name)
    clips = clips_of(kind, num_videos, batch, folder)
    validation = None
    if kind == "files":
        validation = clips_of(kind, 7, batch, folder, first=VALIDATION)
    keras.utils.set_random_seed(1)
    with strategy.scope():
        inputs = keras.Input(clips.element_spec[0].shape[1:])
        x = keras.layers.Rescaling(1 / 255)(inputs)
        x = keras.layers.GlobalAveragePooling3D()(x)
        if stop is not None:
            x = keras.layers.Dropout(0.5)(x)
        x = keras.layers.Dense(2, activation="softmax")(x)
        model = training.ReplicatedModel(inputs, x)
        # Its rate falls in the second epoch.
        schedules = keras.optimizers.schedules
        model.compile(
            keras.optimizers.SGD(schedules.PiecewiseConstantDecay([5], [0.5, 0.05])),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
    throughput = training.Throughput()
    iterations: list[int] = []

    def note(epoch: int, logs: object) -> None:
        iterations.append(int(model.optimizer.iterations.numpy()))

    history = training.fit_resumably(
        model,
        throughput.watch(clips),
        folder / name,
        epochs=EPOCHS,
        save_freq=2,
        verbose=0,
        callbacks=[
            throughput,
            keras.callbacks.LambdaCallback(on_epoch_end=note),
            *([CrashAt(stop)] if stop else []),
        ],
        validation_data=validation,
        class_weight={0: 0.25, 1: 3.0},
    )
    result = {
        "decoded": [number for number in NumberedVideo.decoded if number < VALIDATION],
        "weights": np.concatenate([np.ravel(w) for w in model.get_weights()]).tolist(),
        "seeds": [v.numpy().tolist() for v in seed_states(model)],
        "iterations": iterations,
        "logs": {
            name: values
            for name, values in history.history.items()
            if name.endswith(("loss", "accuracy"))
        },
        "failures": [*clips.failures.reasons],
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
