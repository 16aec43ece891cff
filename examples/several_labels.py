"""Training on videos with several labels, as in Charades: sigmoid, cross-entropy, mAP.

python examples/several_labels.py                   # on videos that it writes
python examples/several_labels.py --csv Charades_v1_train.csv \\
    --test-csv Charades_v1_test.csv --root Charades_v1_480

Each generated video shows two motions, one after the other, and is labeled with both.
"""

import argparse
from pathlib import Path

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

import numpy as np
from motion_videos import MOTIONS, render, write_video

from keras_nonlocal.runs import TrainingSettings, run_training

NUM_FRAMES, SIDE = 16, 32


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--csv", type=Path, help="default: generated videos")
    parser.add_argument("--test-csv", type=Path, help="videos that --csv does not have")
    parser.add_argument("--root", type=Path, help="folder of the videos of --csv")
    parser.add_argument("--output", type=Path, default=Path("several_labels_output"))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--videos", type=int, default=400)
    options = parser.parse_args()
    settings = TrainingSettings().replace(
        output=options.output / "run",
        weights=None,
        width=8,
        num_frames=NUM_FRAMES,
        frame_stride=4,
        crop_size=SIDE,
        optimizer="adamw",
        learning_rate=2e-3,
        learning_rate_batch_size=None,
        schedule="cosine",
        batch_size=16,
        epochs=options.epochs,
        precise_statistics=10,
        num_clips=3,
        num_crops=1,
    )
    if options.csv is None:
        directory = options.output / "videos"
        train, test = write_lists(directory, options.videos)
        settings = settings.replace(
            videos=train,
            test=test,
            root=directory,
            list_format="path-labels",
            class_names=tuple(MOTIONS),
        )
    else:
        settings = settings.replace(
            videos=options.csv,
            test=options.test_csv,
            root=options.root or "",
            list_format="charades",
        )
    settings = settings.replace(validation=settings.data.test)
    result = run_training(settings, verbose=2, announce=print)
    precisions = result.history.get("val_mean_average_precision", ())
    print("\n| epoch | mAP on unseen videos |\n|---:|---:|")
    for epoch, precision in enumerate(precisions, 1):
        print(f"| {epoch} | {precision:.3f} |")
    print()
    if result.evaluation is not None:
        for row in result.evaluation.per_class:
            precision = row["average_precision"]
            print(f"{row['class']:12s} {row['videos']:4d} {precision:.3f}")
        print(result.evaluation)


def write_lists(directory: Path, count: int) -> tuple[Path, Path]:
    """Writes videos of one motion after another, and lists for training and test."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    names = tuple(MOTIONS)
    lines = []
    for index in range(count):
        first, second = sorted(rng.choice(len(names), 2, replace=False).tolist())
        path = directory / f"{index:04d}.mp4"
        parts = [render(names[label], rng) for label in (first, second)]
        write_video(path, np.concatenate(parts))
        lines.append(f"{path.name},{first},{second}\n")
    num_training = count - count // 5
    files = directory / "train.txt", directory / "test.txt"
    for file, part in zip(
        files, (lines[:num_training], lines[num_training:]), strict=True
    ):
        file.write_text("".join(part))
    return files


if __name__ == "__main__":
    main()
