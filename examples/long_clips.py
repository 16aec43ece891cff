"""Continues the training of a network on clips four times as long, as in the paper.

python examples/long_clips.py                       # on videos that it writes
python examples/long_clips.py --data DIR            # DIR/train/<class>/*.mp4, DIR/test

The weights carry over, because no part of the network depends on the number of frames.
Batches of long clips are small, so the statistics of batch normalization are frozen,
while γ and β are still trained. For even longer clips, `rematerialized` recomputes
activations instead of keeping them.
"""

import argparse
from pathlib import Path
from typing import Any

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

import keras
from motion_videos import write_collection

import keras_nonlocal
from keras_nonlocal.data import video_dataset_from_directory
from keras_nonlocal.runs import TrainingSettings, run_training

SHORT, LONG, SIDE, WIDTH = 8, 32, 32, 8


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="default: generated videos")
    parser.add_argument("--output", type=Path, default=Path("long_clips_output"))
    parser.add_argument("--short-epochs", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=3, help="on long clips")
    parser.add_argument("--videos-per-class", type=int, default=64)
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    options.output.mkdir(parents=True, exist_ok=True)
    directory = options.data or options.output / "videos"
    if options.data is None:
        for seed, part in enumerate(("train", "test")):
            count = max(options.videos_per_class // (1 + 3 * seed), 1)
            for _ in write_collection(directory / part, count, (seed,)):
                pass

    short = train_on_short_clips(directory / "train", options)
    train, test = (
        video_dataset_from_directory(
            directory / part,
            num_frames=LONG,
            frame_stride=1,
            crop_size=SIDE,
            batch_size=4,
            seed=1,
            shuffle=part == "train",
        )
        for part in ("train", "test")
    )
    long = keras_nonlocal.NLResNet50I3D(
        input_shape=(LONG, SIDE, SIDE, 3),
        classes=len(train.class_names),
        width=WIDTH,
        normalization="frozen_batch",
        dropout_rate=0.0,
        include_preprocessing=True,
    )
    long.set_weights(short.get_weights())
    long.compile(
        keras.optimizers.Adam(5e-4),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    results = {f"before training on clips of {LONG} frames": evaluate(long, test)}
    print(f"\nClips of {LONG} frames")
    long.fit(train, epochs=options.epochs, shuffle=False, verbose=2)
    results["after it"] = evaluate(long, test)
    print(
        f"\n{len(test.file_paths)} unseen videos, one clip of {LONG} frames each\n\n"
        "| network | loss | top-1 |\n|---|---:|---:|"
    )
    for name, (loss, accuracy) in results.items():
        print(f"| {name} | {loss:.3f} | {accuracy:.3f} |")
    long.save(options.output / "long_clips.keras")
    print(f"\n{options.output / 'long_clips.keras'}: the network")


def evaluate(model: keras.Model, test: Any) -> tuple[float, float]:
    """Returns the loss and the accuracy."""
    values = model.evaluate(test, verbose=0, return_dict=True)
    return values["loss"], values["accuracy"]


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
        learning_rate=3e-3,
        learning_rate_batch_size=None,
        schedule="cosine",
        batch_size=16,
        epochs=options.short_epochs,
        precise_statistics=20,
    )
    return run_training(settings, verbose=2).model


if __name__ == "__main__":
    main()
