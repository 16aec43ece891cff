"""Trains a small non-local network on video files and exports it.

python examples/quickstart.py              # writes its own videos first
python examples/quickstart.py --data DIR   # DIR/<class>/*.mp4, or DIR/train and
                                           # DIR/test with a folder per class each
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

import keras
import numpy as np
import tensorflow as tf
from motion_videos import MOTIONS, write_collection
from plots import plot_confusion_matrix, plot_learning_curves

import keras_nonlocal
from keras_nonlocal.data import scan_videos, video_dataset_from_directory

LIVE = sys.stdout.isatty()


def main() -> None:
    options = parse_options()
    start = time.perf_counter()
    keras.utils.set_random_seed(options.seed)
    tf.get_logger().setLevel("ERROR")
    strategy = tf.distribute.MirroredStrategy()
    directory = options.data or write_videos(options)
    try:
        train, test = read_videos(directory, options, strategy.num_replicas_in_sync)
    except ValueError as error:
        sys.exit(f"quickstart.py: {error}")
    if options.data:
        check_videos([*train.file_paths, *test.file_paths])
    print(
        f"\n{len(train.file_paths)} videos to learn from, "
        f"{len(test.file_paths)} unseen ones to test.\n"
        f"Classes: {', '.join(train.class_names)}\n"
        f"Replicas: {strategy.num_replicas_in_sync}, "
        f"GPUs: {len(tf.config.list_physical_devices('GPU'))}"
    )
    networks = {
        "NL-I3D": keras_nonlocal.NLResNet50I3D,
        "plain C2D": keras_nonlocal.ResNet50C2D,
    }
    runs = [
        run(
            f"{title} R50, width {options.width}",
            builder,
            train,
            test,
            strategy,
            options,
        )
        for title, builder in networks.items()
    ]
    output = options.output
    plot_learning_curves(
        {run.title: run.history for run in runs}, output / "learning_curves.png"
    )
    plot_confusion_matrix(
        runs[0].confusion,
        test.class_names,
        f"{runs[0].title}: unseen videos",
        output / "confusion_matrix.png",
    )
    save(runs[0].model, test, output)
    print_table(runs, len(test.file_paths), options)
    print(f"\nAll of it took {time.perf_counter() - start:.0f} s.")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with a folder per class")
    parser.add_argument("--output", type=Path, default=Path("quickstart_output"))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=16, help="per replica")
    parser.add_argument("--width", type=int, default=8, help="64 in the paper")
    parser.add_argument("--num-frames", type=int, default=8)
    parser.add_argument("--frame-stride", type=int, default=2)
    parser.add_argument("--crop-size", type=int, default=48, help="pixels")
    parser.add_argument(
        "--num-clips", type=int, default=4, help="per video in the test"
    )
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--videos-per-class", type=int, default=80)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    return options


def write_videos(options: argparse.Namespace) -> Path:
    """Writes `videos/train` and `videos/test`, which share no video."""
    directory = options.output / "videos"
    counts = {
        "train": options.videos_per_class,
        "test": max(1, options.videos_per_class // 6),
    }
    print(f"Writing H.264 videos to {directory}")
    progress = keras.utils.Progbar(
        len(MOTIONS) * sum(counts.values()), unit_name="video", verbose=LIVE
    )
    for number, (part, count) in enumerate(counts.items()):
        for _ in write_collection(directory / part, count, (options.seed, number)):
            progress.add(1)
    return directory


def read_videos(
    directory: Path, options: argparse.Namespace, num_replicas: int
) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """Returns the training clips and one clip of each unseen video."""
    clips = {
        "batch_size": options.batch_size * num_replicas,
        "num_frames": options.num_frames,
        "frame_stride": options.frame_stride,
        "crop_size": options.crop_size,
        "seed": options.seed,
    }
    if (directory / "train").is_dir() and (directory / "test").is_dir():
        train = video_dataset_from_directory(directory / "train", **clips)
        test = video_dataset_from_directory(
            directory / "test", shuffle=False, class_names=train.class_names, **clips
        )
        return train, test
    return video_dataset_from_directory(
        directory, validation_split=0.2, subset="both", **clips
    )


def check_videos(paths: list[str]) -> None:
    """Exits before the training if a video cannot be read."""
    print(f"Checking {len(paths)} videos")
    progress = keras.utils.Progbar(len(paths), unit_name="video", verbose=LIVE)
    facts = scan_videos(paths, decode=False, progress=lambda _: progress.add(1))
    broken = [f"{fact.path}: {fact.error}" for fact in facts if fact.error]
    if broken:
        sys.exit("quickstart.py: cannot read\n" + "\n".join(broken))


@dataclass
class Run:
    """A trained network and its results on whole unseen videos."""

    title: str
    model: keras.Model
    history: dict[str, list[float]]
    seconds: float
    confusion: np.ndarray

    @property
    def accuracy(self) -> float:
        return np.trace(self.confusion) / self.confusion.sum()


def run(
    title: str,
    builder: Callable[..., keras.Model],
    train: tf.data.Dataset,
    test: tf.data.Dataset,
    strategy: tf.distribute.Strategy,
    options: argparse.Namespace,
) -> Run:
    print(f"\nTraining {title}")
    num_steps = options.epochs * len(train)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=options.learning_rate / 10,
        decay_steps=num_steps,
        warmup_target=options.learning_rate,
        warmup_steps=num_steps // 10,
    )
    with strategy.scope():
        model = builder(
            input_shape=(options.num_frames, options.crop_size, options.crop_size, 3),
            classes=len(train.class_names),
            width=options.width,
            dropout_rate=0.2,
            include_preprocessing=True,
        )
        model.compile(
            keras.optimizers.AdamW(schedule, weight_decay=1e-4),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            jit_compile=False,  # XLA is slower on CPUs
        )
    start = time.perf_counter()
    history = model.fit(
        train,
        validation_data=test,
        epochs=options.epochs,
        shuffle=False,  # the dataset shuffles
        verbose=1 if LIVE else 2,
    ).history
    seconds = time.perf_counter() - start
    print(f"Testing with {options.num_clips} clips of each unseen video")
    scores = keras_nonlocal.predict_video(
        model,
        test.file_paths,
        num_clips=options.num_clips,
        num_crops=1,
        frame_stride=options.frame_stride,
        batch_size=options.batch_size,
        verbose=1 if LIVE else 2,
    )
    labels = true_labels(test)
    num_classes = len(test.class_names)
    confusion = np.zeros((num_classes, num_classes), int)
    np.add.at(confusion, (labels, scores.argmax(axis=-1)), 1)
    return Run(title, model, history, seconds, confusion)


def true_labels(dataset: Any) -> list[int]:
    """Returns the class of each file in a dataset, which is the name of its folder."""
    return [
        next(
            dataset.class_names.index(p.name)
            for p in Path(path).parents
            if p.name in dataset.class_names
        )
        for path in dataset.file_paths
    ]


def save(model: keras.Model, test: tf.data.Dataset, output: Path) -> None:
    """Saves and exports a model, and compares both files in a new process."""
    model.save(output / "model.keras")
    model.export(output / "saved_model" / "1", verbose=False)
    clips = next(iter(test))[0].numpy()
    scores = model.predict(clips, verbose=0)
    np.savez_compressed(output / "scored_clips.npz", clips=clips, scores=scores)
    print()
    script = Path(__file__).with_name("compare_saved_models.py")
    subprocess.run([sys.executable, script, output], check=True)


def print_table(runs: list[Run], num_videos: int, options: argparse.Namespace) -> None:
    print(
        f"\nTop-1 on {num_videos} whole unseen videos, {options.num_clips} clips each, "
        f"after {options.epochs} epochs\n"
    )
    print(f"| {'network':26} | top-1 | parameters | training |")
    print(f"|{'-' * 28}|------:|-----------:|---------:|")
    for run in runs:
        print(
            f"| {run.title:26} | {run.accuracy:5.3f} | {run.model.count_params():10,} "
            f"| {run.seconds:6.0f} s |"
        )
    print()
    for file, meaning in (
        ("model.keras", "the network, for keras.saving.load_model"),
        ("saved_model/1", "the same for TensorFlow Serving: pixels in, scores out"),
        ("learning_curves.png", "loss and accuracy over the epochs"),
        ("confusion_matrix.png", "which classes are taken for which"),
    ):
        print(f"{options.output / file}: {meaning}")


if __name__ == "__main__":
    main()
