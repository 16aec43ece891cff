"""Videos with several labels, in the manner of Charades: sigmoid, cross-entropy, mAP.

python examples/several_labels.py                   # on videos that it writes
python examples/several_labels.py --csv Charades_v1_train.csv --root Charades_v1_480

A generated video shows one motion and then another; its labels are both.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from motion_videos import MOTIONS, render, write_video

import keras_nonlocal
from keras_nonlocal.data import VideoList, read_charades_csv, video_dataset_from_list
from keras_nonlocal.training import MeanAveragePrecision

NUM_FRAMES, SIDE = 16, 32


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--csv", type=Path, help="default: generated videos")
    parser.add_argument("--root", type=Path, help="folder of the videos of --csv")
    parser.add_argument("--output", type=Path, default=Path("several_labels_output"))
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--videos", type=int, default=160)
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    if options.csv is None:
        videos = written_videos(options.output / "videos", options.videos)
    else:
        videos = read_charades_csv(options.csv, options.root)
    train, validation = video_dataset_from_list(
        videos,
        label_mode="multi_hot",
        num_frames=NUM_FRAMES,
        frame_stride=4,
        crop_size=SIDE,
        batch_size=16,
        seed=1,
        validation_split=0.2,
        subset="both",
    )
    classes = len(videos.class_names)
    model = keras_nonlocal.NLResNet50I3D(
        input_shape=(NUM_FRAMES, SIDE, SIDE, 3),
        classes=classes,
        classifier_activation="sigmoid",
        width=8,
        include_preprocessing=True,
    )
    mean_average_precision = MeanAveragePrecision(
        classes, capacity=len(videos.paths), name="mAP"
    )
    model.compile("adam", "binary_crossentropy", metrics=[mean_average_precision])
    model.fit(
        train,
        validation_data=validation,
        epochs=options.epochs,
        shuffle=False,
        verbose=2,
    )
    _, paths = videos.split(0.2)
    result = keras_nonlocal.evaluate_videos(
        model, paths, num_clips=3, num_crops=1, frame_stride=4, verbose=0
    )
    for row in result.per_class:
        print(f"{row['class']:12s} {row['videos']:4d} {row['average_precision']:.3f}")
    print(result)


def written_videos(directory: Path, count: int) -> VideoList:
    """Videos of one motion after another."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    names = tuple(MOTIONS)
    paths, labels = [], []
    for index in range(count):
        first, second = sorted(rng.choice(len(names), 2, replace=False).tolist())
        path = directory / f"{index:04d}.mp4"
        parts = [render(names[label], rng) for label in (first, second)]
        write_video(path, np.concatenate(parts))
        paths.append(str(path))
        labels.append((first, second))
    return VideoList(tuple(paths), tuple(labels), names)


if __name__ == "__main__":
    main()
