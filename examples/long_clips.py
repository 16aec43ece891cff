"""Goes on with a network on clips four times as long, as the paper does.

python examples/long_clips.py                       # on videos that it writes
python examples/long_clips.py --data DIR            # DIR/<class>/*.mp4

The weights carry over, because nothing in the network depends on the number of frames.
Batches of long clips are small, so the statistics of batch normalisation are frozen; γ
and β go on learning. `rematerialized` computes activations again instead of keeping
them, which fits clips that are longer still.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from motion_videos import write_collection

import keras_nonlocal
from keras_nonlocal import training
from keras_nonlocal.data import video_dataset_from_directory

SHORT, LONG, SIDE = 8, 32, 32


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="default: generated videos")
    parser.add_argument("--output", type=Path, default=Path("long_clips_output"))
    parser.add_argument("--epochs", type=int, default=3, help="of each length")
    parser.add_argument("--videos-per-class", type=int, default=16)
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    options.output.mkdir(parents=True, exist_ok=True)
    directory = options.data or options.output / "videos"
    if options.data is None:
        for _ in write_collection(directory, options.videos_per_class, (0,)):
            pass

    clips = read_clips(directory, SHORT, frame_stride=4, batch_size=16)
    short = network(SHORT, len(clips.class_names), "batch")
    short.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    short.fit(clips, epochs=options.epochs, shuffle=False, verbose=2)

    clips = read_clips(directory, LONG, frame_stride=1, batch_size=4)
    long = network(LONG, len(clips.class_names), "frozen_batch")
    long.set_weights(short.get_weights())
    print(f"\nclips of {LONG} frames, before training on them")
    rate = training.scaled_learning_rate(batch_size=4)
    long.compile(
        training.nesterov_sgd(rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    long.evaluate(clips, verbose=2)
    long.fit(clips, epochs=options.epochs, shuffle=False, verbose=2)
    long.save(options.output / "long_clips.keras")
    print(f"{options.output / 'long_clips.keras'}: the network")


def network(num_frames: int, classes: int, normalization: str) -> keras.Model:
    return keras_nonlocal.NLResNet50I3D(
        input_shape=(num_frames, SIDE, SIDE, 3),
        classes=classes,
        width=8,
        normalization=normalization,
        include_preprocessing=True,
    )


def read_clips(directory: Path, num_frames: int, frame_stride: int, batch_size: int):
    return video_dataset_from_directory(
        directory,
        num_frames=num_frames,
        frame_stride=frame_stride,
        crop_size=SIDE,
        batch_size=batch_size,
        seed=1,
    )


if __name__ == "__main__":
    main()
