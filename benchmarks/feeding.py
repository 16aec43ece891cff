"""Measures whether clips are fast enough for an accelerator with some ms per clip.

The network does not use the processor: it waits, as a program waits for a GPU.
`data_wait` is the fraction of the time that `fit` waited for clips, as logged by the
callback `keras_nonlocal.training.Throughput`.

    python benchmarks/feeding.py
    python benchmarks/feeding.py --source files --num-frames 32 --frame-stride 2
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from clips import write_video

from keras_nonlocal import data
from keras_nonlocal.training import Throughput

HEIGHT, WIDTH, NUM_VIDEOS = 256, 340, 8
SOURCES = ("records", "files")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--source",
        nargs="+",
        default=["records", "files"],
        choices=("records", "files"),
    )
    parser.add_argument("--ms-per-clip", type=float, default=5.0)
    parser.add_argument("--num-frames", type=int, default=8)
    parser.add_argument("--frame-stride", type=int, default=8)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--clips", type=int, default=640, help="per epoch")
    parser.add_argument("--epochs", type=int, default=3, help="the median counts")
    options = parser.parse_args()
    print(
        f"{options.num_frames}×{options.frame_stride} of {WIDTH}×{HEIGHT}, cropped at"
        f" random to 224, batch {options.batch}, {options.ms_per_clip} ms per clip; "
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"TensorFlow {tf.__version__}\n"
    )
    print("| source | clips per second | data_wait | least – greatest |")
    print("|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        videos = written_videos(Path(folder), options.clips)
        for source in options.source:
            print(row(source, videos, Path(folder), options), flush=True)


def written_videos(folder: Path, count: int) -> data.VideoList:
    """Returns a few files, each many times."""
    paths = [str(folder / f"{index}.mp4") for index in range(NUM_VIDEOS)]
    for path in paths:
        write_video(path, HEIGHT, WIDTH)
    return data.VideoList(tuple(paths), (0,) * NUM_VIDEOS, ("a", "b")).select(
        np.arange(count) % NUM_VIDEOS
    )


def row(
    source: str, videos: data.VideoList, folder: Path, options: argparse.Namespace
) -> str:
    reader: Any = data.PyAVReader
    if source == "records":
        once = videos.select(range(NUM_VIDEOS))
        records = data.write_video_records(
            once, folder / "records", short_side=HEIGHT, verbose=False
        )
        videos = records.select(np.arange(len(videos.paths)) % NUM_VIDEOS)
        reader = data.RecordReader
    clips = data.video_dataset_from_list(
        videos,
        batch_size=options.batch,
        num_frames=options.num_frames,
        frame_stride=options.frame_stride,
        seed=0,
        horizontal_flip=True,
        open_video=reader,
        verbose=False,
    )
    throughput = Throughput()
    history = waiting_model(options.ms_per_clip).fit(
        throughput.watch(clips),
        epochs=options.epochs,
        callbacks=[throughput],
        shuffle=False,
        verbose=0,
    )
    waits = history.history["data_wait"]
    speed = statistics.median(history.history["clips_per_second"])
    return (
        f"| {source} | {speed:.0f} | {statistics.median(waits):.0%} | "
        f"{min(waits):.0%} – {max(waits):.0%} |"
    )


def waiting_model(ms_per_clip: float) -> keras.Model:
    """Returns a model that only waits for each clip."""

    @keras.saving.register_keras_serializable(package="benchmark")
    class Wait(keras.layers.Layer):
        def call(self, clips: Any) -> Any:
            def wait(count: Any) -> np.float32:
                time.sleep(int(count) * ms_per_clip / 1000)
                return np.float32(0)

            zero = tf.numpy_function(wait, [tf.shape(clips)[0]], tf.float32)
            first = tf.cast(clips[:, 0, 0, 0], tf.float32)
            return first + tf.ensure_shape(zero, ())

    inputs = keras.Input((None, 224, 224, 3), dtype="uint8")
    model = keras.Model(inputs, keras.layers.Dense(2, "softmax")(Wait()(inputs)))
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    return model


if __name__ == "__main__":
    main()
