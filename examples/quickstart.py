"""Trains a small network with non-local blocks on video files and exports it.

python examples/quickstart.py              # writes its own videos first
python examples/quickstart.py --data DIR   # DIR/<class>/*.mp4, or DIR/train and
                                           # DIR/test with a folder per class each

In the script's own videos, a ring points to a handwritten digit at another place or at
another time. The same network is trained without and with non-local blocks.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

import keras
import numpy as np
import ring_videos
import tensorflow as tf
from plots import plot_confusion_matrix, plot_learning_curves
from quickstart_report import Run, draw, print_table

import keras_nonlocal
from keras_nonlocal.data import scan_videos, video_dataset_from_directory
from keras_nonlocal.experiments import ClipTask, draw_stills

LIVE = sys.stdout.isatty()
STILLS_PER_BATCH = 32


def main() -> None:
    options = parse_options()
    start = time.perf_counter()
    keras.utils.set_random_seed(options.seed)
    tf.get_logger().setLevel("ERROR")
    strategy = tf.distribute.MirroredStrategy()
    rings = [] if options.data else write_videos(options)
    try:
        train, test = read_videos(options, strategy.num_replicas_in_sync)
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
    image_network = None if options.data else train_on_stills(options)
    runs = [
        run(title, blocks, image_network, train, test, strategy, options)
        for title, blocks in (("C2D", 0), ("C2D + 5 non-local blocks", 5))
    ]
    output, best = options.output, runs[-1]
    plot_learning_curves(
        {run.title: run.history for run in runs}, output / "learning_curves.png"
    )
    plot_confusion_matrix(
        best.confusion,
        test.class_names,
        f"{best.title}: unseen videos",
        output / "confusion_matrix.png",
    )
    draw(best, test, rings, options)
    save(best.model, test, output)
    print_table(runs, test, rings, options)
    print(f"\nAll of it took {time.perf_counter() - start:.0f} s.")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with a folder per class")
    parser.add_argument("--output", type=Path, default=Path("quickstart_output"))
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=16, help="per replica")
    parser.add_argument("--width", type=int, default=8, help="64 in the paper")
    parser.add_argument("--num-frames", type=int, default=8)
    parser.add_argument("--frame-stride", type=int, default=2)
    parser.add_argument("--crop-size", type=int, default=32, help="pixels")
    parser.add_argument(
        "--num-clips",
        type=int,
        help="per video in the test (default: 1 for the script's own short videos, or "
        "else 4)",
    )
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument(
        "--videos", type=int, default=1200, help="number of its own to learn from"
    )
    parser.add_argument("--test-videos", type=int, default=240)
    parser.add_argument(
        "--image-steps",
        type=int,
        default=200,
        help="steps on stills before the videos (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.num_clips is None:
        options.num_clips = 4 if options.data else 1
    options.output.mkdir(parents=True, exist_ok=True)
    return options


def write_videos(options: argparse.Namespace) -> list[ring_videos.RingVideo]:
    """Writes `videos/train` and `videos/test`, and returns the ones for the test.

    Their digits are by different writers.
    """
    directory = options.output / "videos"
    print(f"Writing H.264 videos to {directory}")
    progress = keras.utils.Progbar(
        options.videos + options.test_videos, unit_name="video", verbose=LIVE
    )
    written: list[ring_videos.RingVideo] = []
    for part, writers, count in (
        ("train", "training", options.videos),
        ("test", "test", options.test_videos),
    ):
        written.clear()
        for video in ring_videos.write_collection(
            directory / part, writers, count, options.seed
        ):
            written.append(video)
            progress.add(1)
    return written


def read_videos(
    options: argparse.Namespace, num_replicas: int
) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """Returns the training clips and one clip of each unseen video."""
    directory, size = options.data or options.output / "videos", options.crop_size
    clips = {
        "batch_size": options.batch_size * num_replicas,
        "num_frames": options.num_frames,
        "frame_stride": options.frame_stride,
        "crop_size": size,
        "seed": options.seed,
    }
    if (directory / "train").is_dir() and (directory / "test").is_dir():
        # Larger scales would cut off parts of the script's own videos.
        train = video_dataset_from_directory(
            directory / "train",
            short_side=None if options.data else 8 * size // 7,
            **clips,
        )
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


def train_on_stills(options: argparse.Namespace) -> keras.Model:
    """Trains an image network on single things, as the paper's networks on ImageNet."""
    print(f"\nTraining an image network on stills, {options.image_steps} steps")
    size = options.crop_size
    count = options.image_steps * STILLS_PER_BATCH
    images, classes = draw_stills(ClipTask(size=size), "training", count, options.seed)
    model = keras_nonlocal.NLResNet50(
        input_shape=(size, size, 3),
        classes=int(classes.max()) + 1,
        nonlocal_blocks=0,
        width=options.width,
        include_preprocessing=True,
    )
    compile_for(model, options.image_steps, options)
    verbose = 1 if LIVE else 2
    model.fit(images, classes, STILLS_PER_BATCH, epochs=1, verbose=verbose)
    return model


def compile_for(
    model: keras.Model, num_steps: int, options: argparse.Namespace
) -> None:
    """Compiles a model for a number of steps."""
    schedule = keras.optimizers.schedules.CosineDecay(options.learning_rate, num_steps)
    model.compile(
        keras.optimizers.Adam(schedule),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # XLA is slower on CPUs
    )


def run(
    title: str,
    blocks: int,
    image_network: keras.Model | None,
    train: tf.data.Dataset,
    test: tf.data.Dataset,
    strategy: tf.distribute.Strategy,
    options: argparse.Namespace,
) -> Run:
    """Trains and tests a network."""
    title = f"{title}, width {options.width}"
    print(f"\nTraining {title}")
    with strategy.scope():
        model = keras_nonlocal.NLResNet50C2D(
            input_shape=(options.num_frames, options.crop_size, options.crop_size, 3),
            classes=len(train.class_names),
            nonlocal_blocks=blocks,
            nonlocal_pool_size=None,  # pictures this small have few positions
            width=options.width,
            dropout_rate=0.0,
            include_preprocessing=True,
        )
        if image_network is not None:
            keras_nonlocal.weights.inflate(image_network, model, strict=False)
        compile_for(model, options.epochs * len(train), options)
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
    scores = keras_nonlocal.predict_videos(
        model,
        test.file_paths,
        num_clips=options.num_clips,
        num_crops=1,
        batch_size=options.batch_size,
        verbose=1 if LIVE else 2,
    )
    labels = np.array(true_labels(test))
    return Run(title, model, history, seconds, labels, scores)


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


if __name__ == "__main__":
    main()
