"""Continues the training of a network on clips four times as long, as in the paper.

python examples/long_clips.py                       # on videos that it writes
python examples/long_clips.py --data DIR            # DIR/<class>/*.mp4

The weights carry over, because no part of the network depends on the number of frames.
Batches of long clips are small, so the statistics of batch normalization are frozen,
while γ and β are still trained. For even longer clips, `rematerialized` recomputes
activations instead of keeping them.
"""

import argparse
from pathlib import Path

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

import keras
from motion_videos import write_collection

import keras_nonlocal
from keras_nonlocal import training
from keras_nonlocal.data import video_dataset_from_directory
from keras_nonlocal.runs import TrainingSettings, run_training

SHORT, LONG, SIDE, WIDTH = 8, 32, 32, 8


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

    short = train_on_short_clips(directory, options)
    clips = video_dataset_from_directory(
        directory,
        num_frames=LONG,
        frame_stride=1,
        crop_size=SIDE,
        batch_size=4,
        seed=1,
    )
    long = keras_nonlocal.NLResNet50I3D(
        input_shape=(LONG, SIDE, SIDE, 3),
        classes=len(clips.class_names),
        width=WIDTH,
        normalization="frozen_batch",
        include_preprocessing=True,
    )
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


def train_on_short_clips(directory: Path, options: argparse.Namespace) -> keras.Model:
    settings = TrainingSettings().replace(
        videos=directory,
        output=options.output / "short_clips",
        weights=None,
        width=WIDTH,
        num_frames=SHORT,
        frame_stride=LONG // SHORT,
        crop_size=SIDE,
        optimizer="adamw",
        learning_rate=1e-3,
        learning_rate_batch_size=None,
        schedule="constant",
        batch_size=16,
        epochs=options.epochs,
        precise_statistics=0,
    )
    return run_training(settings, verbose=2).model


if __name__ == "__main__":
    main()
