"""Plans the training on a collection like Kinetics: hours, gigabytes and cost.

    python benchmarks/kinetics_plan.py --machine "8 GPUs" 64 8 100 25
    python benchmarks/kinetics_plan.py --videos 240000 --epochs 100 --core-speed 1.2

Each `--machine` has a name, its cores, its devices, the clips that one device trains on
per second, and its price per hour, in any currency. Measure the devices with
`networks.py`. What a clip costs a core is measured here, from video files and from
records, and so is the size of both. `--core-speed` is how much faster a core of the
planned machines is than one of this machine.

The plan assumes that loading and training overlap, so an epoch takes as long as the
slower of them. To see how far that is right, the second table compares predictions with
short runs of `fit` on this machine: a network that waits, as a program waits for a
GPU, faster and slower than loading; and a network that computes on the same cores,
where the work of both adds up.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import tensorflow as tf
from feeding import HEIGHT, NUM_VIDEOS, WIDTH, waiting_model, written_videos

import keras_nonlocal
from keras_nonlocal import data
from keras_nonlocal.processors import num_processors

SOURCES = ("files", "records")
SECONDS_PER_HOUR, GIGA = 3600.0, 1e9


class Machine(NamedTuple):
    """A machine to train on.

    Args:
        name: Its name in the table.
        cores: Number of cores that decode.
        devices: Number of accelerators.
        speed: Clips per second of each.
        price: Price of an hour.
    """

    name: str
    cores: float
    devices: float
    speed: float
    price: float


class Source(NamedTuple):
    """Where clips come from.

    Args:
        load: Returns a dataset of a number of clips.
        core_seconds: Seconds of a core per clip.
        video_bytes: Size of a video.
    """

    load: Callable[[int], Any]
    core_seconds: float
    video_bytes: float


def main() -> None:
    options = parse_options()
    machines = [
        Machine(name, *map(float, numbers))
        for name, *numbers in options.machine or [("8 GPUs", 64, 8, 100, 25)]
    ]
    with tempfile.TemporaryDirectory() as folder:
        sources = measured_sources(Path(folder), options)
        print_costs(sources, options)
        print_plan(machines, sources, options)
        print_checks(sources, options)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--machine",
        nargs=5,
        action="append",
        metavar=("NAME", "CORES", "DEVICES", "CLIPS_PER_SECOND", "PRICE"),
    )
    parser.add_argument("--videos", type=int, default=240_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--num-frames", type=int, default=8)
    parser.add_argument("--frame-stride", type=int, default=8)
    parser.add_argument("--core-speed", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--clips", type=int, default=160, help="of each measurement")
    return parser.parse_args()


def measured_sources(folder: Path, options: argparse.Namespace) -> dict[str, Source]:
    files = written_videos(folder, NUM_VIDEOS)
    records = data.write_video_records(
        files, folder / "records", short_side=HEIGHT, verbose=False
    )
    readers = {"files": data.PyAVReader, "records": data.RecordReader}
    sources = {}
    for name, videos in (("files", files), ("records", records)):
        reader = readers[name]

        def load(count: int, videos: Any = videos, reader: Any = reader) -> Any:
            return data.video_dataset_from_list(
                videos.select([number % NUM_VIDEOS for number in range(count)]),
                batch_size=options.batch,
                num_frames=options.num_frames,
                frame_stride=options.frame_stride,
                seed=0,
                drop_remainder=True,
                open_video=reader,
                verbose=False,
            )

        sizes = [os.path.getsize(path) for path in videos.paths]
        cost = seconds_of_cores(load, options.clips)
        sources[name] = Source(load, cost, sum(sizes) / len(sizes))
    return sources


def seconds_of_cores(load: Callable[[int], Any], num_clips: int) -> float:
    """Seconds in which a core computes for a clip, when all cores load."""
    for _ in load(num_clips):  # fills caches, and compiles
        pass
    start = time.process_time()
    for _ in load(num_clips):
        pass
    return (time.process_time() - start) / num_clips


def print_costs(sources: dict[str, Source], options: argparse.Namespace) -> None:
    shape = f"{options.num_frames}×{options.frame_stride}"
    print(f"Clips of {shape} from videos of {WIDTH}×{HEIGHT}:\n")
    print("| source | ms of a core per clip | GB of all videos |\n|---|---:|---:|")
    for name, source in sources.items():
        size = source.video_bytes * options.videos / GIGA
        print(f"| {name} | {1000 * source.core_seconds:.1f} | {size:.0f} |")


def print_plan(
    machines: list[Machine], sources: dict[str, Source], options: argparse.Namespace
) -> None:
    epochs = "an epoch" if options.epochs == 1 else f"{options.epochs} epochs"
    print(f"\nFor {epochs} of {options.videos} videos:\n")
    print("| machine | source | limit | clips per second | hours | price |")
    print("|---|---|---|---:|---:|---:|")
    for machine in machines:
        for name, source in sources.items():
            loads = machine.cores * options.core_speed / source.core_seconds
            trains = machine.devices * machine.speed
            limit = "loading" if loads < trains else "devices"
            hours = options.epochs * options.videos / min(loads, trains)
            hours /= SECONDS_PER_HOUR
            print(
                f"| {machine.name} | {name} | {limit} | {min(loads, trains):.0f} | "
                f"{hours:.2f} | {hours * machine.price:.2f} |"
            )


def print_checks(sources: dict[str, Source], options: argparse.Namespace) -> None:
    print("\n| `fit` on this machine | predicted s | measured s | ratio |")
    print("|---|---:|---:|---:|")
    cores, count = num_processors(), options.clips
    for name, source in sources.items():
        loading = source.core_seconds / cores
        for label, wait in (("slower", 2 * loading), ("faster", loading / 4)):
            model = waiting_model(1000 * wait)
            predicted = count * max(loading, wait)
            found = seconds_of_fit(model, source.load(count))
            print_check(f"{name}, device {label} than loading", predicted, found)
    shape = (options.num_frames, 224, 224, 3)
    model = keras_nonlocal.NLResNet50C2D(
        weights=None, classes=2, width=8, input_shape=shape, include_preprocessing=True
    )
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    training = seconds_of_training(model, shape, options.batch)
    for name, source in sources.items():
        predicted = count * (source.core_seconds + training) / cores
        found = seconds_of_fit(model, source.load(count))
        print_check(f"{name}, a small network on the same cores", predicted, found)


def seconds_of_training(
    model: keras.Model, shape: tuple[int, ...], batch: int, repeats: int = 6
) -> float:
    """Seconds in which a core computes to train on a clip."""
    clips = tf.zeros((batch, *shape), tf.uint8)
    labels = tf.zeros((batch,), tf.int32)
    steps = tf.data.Dataset.from_tensors((clips, labels))
    model.fit(steps.repeat(2), verbose=0)
    start = time.process_time()
    model.fit(steps.repeat(repeats), verbose=0)
    return (time.process_time() - start) / (batch * repeats)


def seconds_of_fit(model: keras.Model, clips: Any) -> float:
    """Seconds of an epoch after the first one, which compiles."""
    model.fit(clips.take(1), verbose=0, shuffle=False)
    start = time.perf_counter()
    model.fit(clips, verbose=0, shuffle=False)
    return time.perf_counter() - start


def print_check(name: str, predicted: float, found: float) -> None:
    print(f"| {name} | {predicted:.1f} | {found:.1f} | {found / predicted:.2f} |")


if __name__ == "__main__":
    main()
