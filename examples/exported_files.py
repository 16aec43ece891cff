"""Trains a small network and compares its files for OpenVINO with it.

The network learns camera motions from generated videos. It is exported in float32 and,
with clips of the training set, in int8. Both files score unseen videos, in float32 and
in bfloat16 where the processor has units for it.

python examples/exported_files.py     # pip install "keras_nonlocal[cpu,openvino]"
"""

import argparse
import os
import time
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

import keras
import motion_videos
import numpy as np

import keras_nonlocal
from keras_nonlocal.data import video_dataset_from_directory
from keras_nonlocal.inference import ExportedModel


def main() -> None:
    options = parse_options()
    keras.utils.set_random_seed(options.seed)
    write_videos(options)
    train = read_videos(options, "train")
    model = trained(train, options)
    model.save(options.output / "model.keras")
    calibration = train.take(-(-options.calibration_clips // options.batch_size))
    files = {
        "float32": keras_nonlocal.export_model(
            model, options.output / "float32", "openvino"
        ),
        "int8": keras_nonlocal.export_model(
            model,
            options.output / "int8",
            "openvino",
            calibration_clips=calibration,
        ),
    }
    test = read_videos(options, "test")
    batches = [(clips.numpy(), labels.numpy()) for clips, labels in test]
    clips = np.concatenate([batch for batch, _ in batches])
    labels = np.concatenate([batch for _, batch in batches])
    expected = model.predict(clips, batch_size=options.batch_size, verbose=0)
    size = (options.output / "model.keras").stat().st_size
    print(
        f"\n{len(clips)} clips of unseen videos, in batches of {options.batch_size}\n"
    )
    print("| file | computed in | top-1 | same class | largest difference | MB |")
    print("|---|---|---:|---:|---:|---:|")
    print(row("model.keras", "float32", expected, expected, labels, size))
    for name, folder in files.items():
        for precision in ("float32", "bfloat16"):
            try:
                exported = ExportedModel(folder, precision=precision)
            except ValueError as error:
                print(f"| {name} | {precision} | {error} | | | |")
                continue
            scores = exported.predict(clips, options.batch_size)
            size = (folder / "model.bin").stat().st_size
            print(row(f"{name}/1/model.xml", precision, scores, expected, labels, size))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("exported_files"))
    parser.add_argument("--videos", type=int, default=60, help="per class")
    parser.add_argument("--test-videos", type=int, default=40, help="per class")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--width", type=int, default=8, help="64 in the paper")
    parser.add_argument("--crop-size", type=int, default=48, help="pixels")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--calibration-clips", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def write_videos(options: argparse.Namespace) -> None:
    """Writes `videos/train` and `videos/test`, unless they are there."""
    counts = {"train": options.videos, "test": options.test_videos}
    for number, (part, count) in enumerate(counts.items()):
        folder = options.output / "videos" / part
        if not folder.exists():
            print(f"Writing H.264 videos to {folder}")
            for _ in motion_videos.write_collection(folder, count, (number,)):
                pass


def read_videos(options: argparse.Namespace, part: str):
    """Returns one clip of each video."""
    return video_dataset_from_directory(
        options.output / "videos" / part,
        shuffle=part == "train",
        batch_size=options.batch_size,
        num_frames=8,
        frame_stride=4,
        crop_size=options.crop_size,
        seed=options.seed,
    )


def trained(train, options: argparse.Namespace) -> keras.Model:
    """Returns the trained network."""
    model = keras_nonlocal.NLResNet50I3D(
        input_shape=(8, options.crop_size, options.crop_size, 3),
        classes=len(train.class_names),
        width=options.width,
        dropout_rate=0.0,
        include_preprocessing=True,
    )
    schedule = keras.optimizers.schedules.CosineDecay(2e-3, options.epochs * len(train))
    model.compile(
        keras.optimizers.Adam(schedule),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # XLA is slower on CPUs
    )
    start = time.perf_counter()
    model.fit(train, epochs=options.epochs, shuffle=False, verbose=2)
    print(f"Trained in {time.perf_counter() - start:.0f} s")
    return model


def row(name, precision, scores, expected, labels, size) -> str:
    """Returns a line of the table."""
    classes = scores.argmax(axis=1)
    return (
        f"| {name} | {precision} | {np.mean(classes == labels):.3f} | "
        f"{np.mean(classes == expected.argmax(axis=1)):.1%} | "
        f"{np.abs(scores - expected).max():.1e} | {size / 1e6:.1f} |"
    )


if __name__ == "__main__":
    main()
