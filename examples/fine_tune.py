"""Fine-tunes a trained network on the classes of a folder.

python examples/fine_tune.py                        # writes videos, trains on four
                                                    # motions, fine-tunes on two others
python examples/fine_tune.py --data DIR --model trained.keras --frame-stride 8
                                                    # DIR/train/<class>/*.mp4, DIR/test

The clips have the size that the network takes; it must take pixels from 0 to 255
(`include_preprocessing=True`), as those of `keras-nonlocal train` do.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from motion_videos import MOTIONS, write_collection

import keras_nonlocal
from keras_nonlocal import training
from keras_nonlocal.data import video_dataset_from_directory

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
    train, test = datasets(directory, names, model, options.frame_stride)
    # A new classifier on the same layers; what is general and low stays as it is.
    model = training.replace_classifier(model, len(train.class_names))
    frozen = training.freeze_stages(model, ("stem", "res2"))
    print(f"{len(frozen)} layers up to res2 are frozen")
    model.compile(
        training.nesterov_sgd(training.scaled_learning_rate(16, 0.1)),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    # Killed, the same command goes on where it was.
    training.fit_resumably(
        model, train, options.output / "run", epochs=options.epochs, verbose=2
    )
    result = keras_nonlocal.evaluate_videos(
        model,
        list_of(test),
        num_clips=2,
        num_crops=1,
        frame_stride=options.frame_stride,
        verbose=0,
    )
    print(result)
    model.save(options.output / "fine_tuned.keras")
    print(f"{options.output / 'fine_tuned.keras'}: the network")


def train_first(directory: Path, options: argparse.Namespace) -> keras.Model:
    """A network that knows other classes, in the place of one of Kinetics."""
    model = keras_nonlocal.NLResNet50I3D(
        input_shape=(FRAMES, SIDE, SIDE, 3),
        classes=len(OLD),
        width=8,
        include_preprocessing=True,
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    train, _ = datasets(directory, OLD, model, options.frame_stride)
    model.fit(train, epochs=options.epochs, shuffle=False, verbose=2)
    return model


def datasets(
    directory: Path,
    class_names: tuple[str, ...] | None,
    model: keras.Model,
    frame_stride: int,
) -> tuple:
    _, num_frames, height, width, _ = model.input_shape
    return tuple(
        video_dataset_from_directory(
            directory / part,
            class_names=class_names,
            num_frames=num_frames,
            frame_stride=frame_stride,
            crop_size=(height, width),
            batch_size=16,
            shuffle=shuffle,
            seed=1,
        )
        for part, shuffle in (("train", True), ("test", False))
    )


def list_of(dataset) -> keras_nonlocal.data.VideoList:
    names = dataset.class_names
    labels = tuple(names.index(Path(path).parent.name) for path in dataset.file_paths)
    return keras_nonlocal.data.VideoList(
        tuple(dataset.file_paths), labels, tuple(names)
    )


if __name__ == "__main__":
    main()
