"""Fine-tunes a trained network on the classes of a folder.

python examples/fine_tune.py                        # writes videos, trains on four
                                                    # motions, fine-tunes on two others
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
FRAMES, SIDE, STRIDE = 8, 32, 2


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="default: generated videos")
    parser.add_argument("--model", help="a .keras file (default: one trained here)")
    parser.add_argument("--frame-stride", type=int, default=STRIDE)
    parser.add_argument("--output", type=Path, default=Path("fine_tune_output"))
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--videos-per-class", type=int, default=32)
    options = parser.parse_args()
    if options.data is not None and options.model is None:
        parser.error("--data needs --model, a network to fine-tune")
    keras.utils.set_random_seed(0)

    directory = options.data or options.output / "videos"
    if options.data is None:
        for seed, part in enumerate(("train", "test")):
            count = max(options.videos_per_class // (1 + 3 * seed), 1)
            for _ in write_collection(directory / part, count, (seed,)):
                pass
    if options.model is None:
        model = train_first(directory, options)
    else:
        model = keras.saving.load_model(options.model, compile=False)

    names = NEW if options.data is None else None
    train = clips_of(directory / "train", names, model, options.frame_stride)
    # A new classifier on the same layers. The first stages are general and stay frozen.
    model = training.replace_classifier(model, len(train.class_names))
    frozen = training.freeze_stages(model, ("stem", "res2"))
    print(f"{len(frozen)} layers up to res2 are frozen")
    model.compile(
        training.nesterov_sgd(training.scaled_learning_rate(16, 0.1)),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    # If the process is killed, the same command resumes the training run.
    training.fit_resumably(
        model, train, options.output / "run", epochs=options.epochs, verbose=2
    )
    result = keras_nonlocal.evaluate_videos(
        model,
        list_directory(directory / "test", class_names=names),
        num_clips=2,
        num_crops=1,
        frame_stride=options.frame_stride,
        verbose=0,
    )
    print(result)
    model.save(options.output / "fine_tuned.keras")
    print(f"{options.output / 'fine_tuned.keras'}: the network")


def train_first(directory: Path, options: argparse.Namespace) -> keras.Model:
    """Trains a network on other classes, in place of one trained on Kinetics."""
    settings = TrainingSettings().replace(
        videos=directory / "train",
        class_names=OLD,
        output=options.output / "first_run",
        weights=None,
        width=8,
        num_frames=FRAMES,
        frame_stride=options.frame_stride,
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


def clips_of(
    directory: Path,
    class_names: tuple[str, ...] | None,
    model: keras.Model,
    frame_stride: int,
) -> keras_nonlocal.data.ClipDataset:
    """Returns clips of the size that the network takes."""
    _, num_frames, height, width, _ = model.input_shape
    return video_dataset_from_directory(
        directory,
        class_names=class_names,
        num_frames=num_frames,
        frame_stride=frame_stride,
        crop_size=(height, width),
        batch_size=16,
        seed=1,
    )


if __name__ == "__main__":
    main()
