"""Fine-tunes a trained network on the classes of a folder.

python examples/fine_tune.py                        # writes videos, trains on four
                                                    # motions, fine-tunes on two others
                                                    # with few videos
python examples/fine_tune.py --data DIR --model trained.keras --frame-stride 8
                                                    # DIR/train/<class>/*.mp4, DIR/test

The clips have the input size of the network. It must take pixels from 0 to 255
(`include_preprocessing=True`), like the networks of `keras-nonlocal train`.
"""

import argparse
from pathlib import Path

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

import keras
from motion_videos import MOTIONS, write_collection

import keras_nonlocal
from keras_nonlocal import training
from keras_nonlocal.data import list_directory, video_dataset_from_directory
from keras_nonlocal.runs import TrainingSettings, run_training

OLD, NEW = tuple(MOTIONS)[:4], tuple(MOTIONS)[4:]
FRAMES, SIDE, STRIDE, BATCH = 8, 32, 2, 8


def main() -> None:
    options = parse_options()
    keras.utils.set_random_seed(0)
    directory = options.data or options.output / "videos"
    if options.data is None:
        write_videos(directory, options)
    if options.model is None:
        model = train_first(directory / "old", options)
    else:
        model = keras.saving.load_model(options.model, compile=False)

    train = clips_of(directory / "train", model, options.frame_stride)
    test = list_directory(directory / "test", class_names=train.class_names)
    # The same layers with new initial values, for comparison.
    untrained = keras.models.clone_model(model)
    rows = []
    for name, network in (("from scratch", untrained), ("fine-tuned", model)):
        print(f"\n{name}")
        # A new classifier on the same layers.
        network = training.replace_classifier(
            network, len(train.class_names), dropout_rate=0.2
        )
        if name == "fine-tuned":
            # The first stages are general and stay frozen.
            frozen = training.freeze_stages(network, ("stem", "res2"))
            print(f"{len(frozen)} layers up to res2 are frozen")
        network.compile(
            keras.optimizers.Adam(options.learning_rate),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        # If the process is killed, the same command resumes the training run.
        run = options.output / name.replace(" ", "_")
        training.fit_resumably(network, train, run, epochs=options.epochs, verbose=2)
        result = keras_nonlocal.evaluate_videos(
            network,
            test,
            num_clips=2,
            num_crops=1,
            frame_stride=options.frame_stride,
            verbose=0,
        )
        rows.append((name, result.top1))
    print(
        f"\nTop-1 on {len(test.paths)} unseen videos of new classes, after "
        f"{options.epochs} epochs with {len(train.file_paths)} videos\n\n"
        "| network | top-1 |\n|---|---:|"
    )
    for name, top1 in rows:
        print(f"| {name} | {top1:.3f} |")
    network.save(options.output / "fine_tuned.keras")
    print(f"\n{options.output / 'fine_tuned.keras'}: the fine-tuned network")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="default: generated videos")
    parser.add_argument("--model", help="a .keras file (default: one trained here)")
    parser.add_argument("--frame-stride", type=int, default=STRIDE)
    parser.add_argument("--output", type=Path, default=Path("fine_tune_output"))
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument(
        "--videos-per-class", type=int, default=16, help="of the new classes"
    )
    parser.add_argument(
        "--first-videos-per-class", type=int, default=100, help="of the old classes"
    )
    parser.add_argument("--first-epochs", type=int, default=8)
    options = parser.parse_args()
    if options.data is not None and options.model is None:
        parser.error("--data needs --model, a network to fine-tune")
    return options


def write_videos(directory: Path, options: argparse.Namespace) -> None:
    """Writes many videos of the old classes and few of the new ones."""
    for seed, (part, count, names) in enumerate(
        (
            ("old", options.first_videos_per_class, OLD),
            ("train", options.videos_per_class, NEW),
            ("test", max(3 * options.videos_per_class, 1), NEW),
        )
    ):
        for _ in write_collection(directory / part, count, (seed,), names):
            pass


def train_first(directory: Path, options: argparse.Namespace) -> keras.Model:
    """Trains a network on other classes, in place of one trained on Kinetics."""
    print(f"trained first: {', '.join(OLD)}")
    settings = TrainingSettings().replace(
        videos=directory,
        output=options.output / "first_run",
        weights=None,
        width=8,
        num_frames=FRAMES,
        frame_stride=options.frame_stride,
        crop_size=SIDE,
        optimizer="adamw",
        learning_rate=3e-3,
        learning_rate_batch_size=None,
        schedule="cosine",
        batch_size=16,
        epochs=options.first_epochs,
        precise_statistics=0,
    )
    return run_training(settings, verbose=2).model


def clips_of(
    directory: Path, model: keras.Model, frame_stride: int
) -> keras_nonlocal.data.ClipDataset:
    """Returns clips of the size that the network takes."""
    _, num_frames, height, width, _ = model.input_shape
    return video_dataset_from_directory(
        directory,
        num_frames=num_frames,
        frame_stride=frame_stride,
        crop_size=(height, width),
        batch_size=BATCH,
        seed=1,
    )


if __name__ == "__main__":
    main()
