"""Compares the time per clip of this package's readers with others on the same files.

All readers open the file again for each clip, as with a data set of many files. They
decode the same frames on one thread and return the center `(num_frames, 224, 224, 3)`
of pictures whose shorter side is scaled to 256. Readers that are not installed are left
out:

    pip install decord2 opencv-python-headless torchcodec
    python benchmarks/clips.py --memory-clips 10000

`this, first time` reads the file for the first time and must determine the order of its
frames, which is known in all later epochs. `torchcodec` seeks either exactly or by the
average frame rate of the container. The second table opens a one-hour video. The third
counts the bytes that are read of a remote video, such as one at `gs://`.

The tables are Markdown. `CPU` is the processor time per clip in milliseconds, which
other programs hardly affect, and `wall` is the elapsed time. Both are medians over the
rounds, with the minimum and maximum in brackets. `this ÷ it` is the ratio of the CPU
times of this package's decoder and the reader. `2 threads` is the number of clips that
two threads read in the time in which one thread reads one. If two processes, which
share no interpreter, are not faster (`2 processes`), the machine is the limit.
"""

import argparse
import io
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from clip_files import repeat_video, write_record, write_video
from clip_readers import Read, available_readers, read_with_this_package

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SIZES = ((256, 340), (720, 1280))
CLIPS = ((8, 8), (32, 2))
NUM_FRAMES = 300
PACKAGES = (
    *("av", "decord2", "opencv-python-headless", "torchcodec"),
    *("tensorflow", "tensorflow-cpu"),
)
# Parts of 10 s: an hour, with 1280×720 pixels about 1 GB.
NUM_PARTS = 360


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=12, help="clips per figure")
    parser.add_argument("--rounds", type=int, default=5, help="the median counts")
    parser.add_argument(
        "--memory-clips", type=int, metavar="N", help="watch the memory over N clips"
    )
    parser.add_argument(
        "--memory-only", action="store_true", help="leave out the comparison"
    )
    arguments = parser.parse_args()
    print(f"{processor()}, {os.cpu_count()} cores; {versions()}\n")
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.memory_only:
            compare_readers(Path(folder), arguments.clips, arguments.rounds)
            compare_openings(Path(folder), arguments.rounds)
            count_bytes(Path(folder))
        if arguments.memory_clips:
            watch_memory(Path(folder), arguments.memory_clips)


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def compare_readers(folder: Path, num_clips: int, num_rounds: int) -> None:
    readers = available_readers()
    print("| file | clip | reader | CPU ms | wall ms | this ÷ it | 2 threads ", end="")
    print("| 2 processes |\n|---|---|---|---:|---:|---:|---:|---:|")
    spawn = multiprocessing.get_context("spawn")
    with (
        ThreadPoolExecutor(1) as one,
        ThreadPoolExecutor(2) as two,
        ProcessPoolExecutor(2, mp_context=spawn) as processes,
    ):
        pools = {"one": one, "two": two, "processes": processes}
        for size in SIZES:
            path = str(folder / f"{size[1]}x{size[0]}.mp4")
            write_video(path, *size)
            if "TFRecord" in readers:
                write_record(path)
            for shape in CLIPS:
                clips = random_clips(shape, num_clips)
                compare(readers, path, clips, num_rounds, pools)


def compare(
    readers: dict[str, Read],
    path: str,
    clips: Sequence[np.ndarray],
    num_rounds: int,
    pools: dict[str, Executor],
) -> None:
    times: dict[tuple[str, str], list[float]] = {}
    for round_number in range(num_rounds + 1):
        for name, read in readers.items():
            for kind, pool in pools.items():
                cpu, wall = seconds(read, path, clips, pool)
                # The first round warms up.
                if round_number and kind == "one":
                    times.setdefault((name, "CPU"), []).append(cpu / len(clips))
                if round_number:
                    times.setdefault((name, kind), []).append(wall / len(clips))
    median = {key: statistics.median(values) for key, values in times.items()}
    shape = f"{len(clips[0])}×{clips[0][1] - clips[0][0]}"
    for name in readers:
        wall_of_one = median[name, "one"]
        cells = [
            Path(path).stem,
            shape,
            name,
            spread(times[name, "CPU"]),
            spread(times[name, "one"]),
            f"{median['this', 'CPU'] / median[name, 'CPU']:.2f}×",
            f"{wall_of_one / median[name, 'two']:.2f}×",
            f"{wall_of_one / median[name, 'processes']:.2f}×",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


def compare_openings(folder: Path, num_rounds: int) -> None:
    """Opens a one-hour video and reads one clip shortly after a key frame."""
    print("\n| one hour, one clip of 8×8 | CPU ms | this ÷ it | this, first ÷ it |")
    print("|---|---:|---:|---:|")
    path = str(folder / "340x256.mp4")
    hour = str(folder / "hour" / "340x256.mp4")
    Path(hour).parent.mkdir()
    repeat_video(path, hour, NUM_PARTS)
    indices = NUM_FRAMES * (NUM_PARTS // 2) + 8 * np.arange(8)
    times: dict[str, list[float]] = {}
    readers = available_readers()
    readers.pop("TFRecord", None)
    with ThreadPoolExecutor(1) as pool:
        for round_number in range(num_rounds + 1):
            for name, read in readers.items():
                cpu, _ = seconds(read, hour, [indices], pool)
                if round_number:
                    times.setdefault(name, []).append(cpu)
    median = {name: statistics.median(values) for name, values in times.items()}
    for name, values in times.items():
        later = median["this"] / median[name]
        first = median["this, first time"] / median[name]
        print(
            f"| {name} | {spread(values)} | {later:.2f}× | {first:.2f}× |", flush=True
        )


class CountedFile(io.FileIO):
    """A file that counts the bytes read from all such files."""

    num_bytes = 0

    def readinto(self, buffer: Any) -> int:
        num_bytes = super().readinto(buffer) or 0
        CountedFile.num_bytes += num_bytes
        return num_bytes


def count_bytes(folder: Path) -> None:
    """Reads a clip of a large file as if it were remote, and counts the bytes."""
    path = str(folder / "large" / "1280x720.mp4")
    Path(path).parent.mkdir()
    repeat_video(str(folder / "1280x720.mp4"), path, NUM_PARTS)
    indices = NUM_FRAMES * (NUM_PARTS // 3) + 8 * np.arange(8)
    print("\n| a file of | bytes read for a clip, first | later |\n|---:|---:|---:|")
    cells = [f"{os.path.getsize(path) / 1e9:.2f} GB"]
    with mock.patch.multiple(
        "keras_nonlocal.files",
        is_remote=lambda name: True,
        open_bytes=lambda name: io.BufferedReader(CountedFile(name), 2**20),
        state=lambda name: (os.path.getsize(name), 0),
    ):
        for _ in range(2):
            CountedFile.num_bytes = 0
            read_with_this_package(path, indices)
            cells.append(f"{CountedFile.num_bytes / 1e6:.1f} MB")
    print(f"| {' | '.join(cells)} |")


def spread(values: Sequence[float]) -> str:
    middle, least, greatest = (
        1000 * statistic(values) for statistic in (statistics.median, min, max)
    )
    return f"{middle:.1f} ({least:.1f}–{greatest:.1f})"


def random_clips(shape: tuple[int, int], num_clips: int) -> list[np.ndarray]:
    num_frames, stride = shape
    span = (num_frames - 1) * stride + 1
    starts = np.random.default_rng(0).integers(NUM_FRAMES - span + 1, size=num_clips)
    return [start + stride * np.arange(num_frames) for start in starts]


def seconds(
    read: Read, path: str, clips: Sequence[np.ndarray], pool: Executor
) -> tuple[float, float]:
    """Returns the processor time of this process and the elapsed time."""
    start, cpu_start = time.perf_counter(), time.process_time()
    for _ in pool.map(partial(discard, read, path), clips):
        pass
    return time.process_time() - cpu_start, time.perf_counter() - start


def discard(read: Read, path: str, indices: np.ndarray) -> None:
    """Reads a clip without returning it, which processes would have to send."""
    read(path, indices)


def watch_memory(folder: Path, num_clips: int) -> None:
    """Iterates over a dataset of small videos and prints the resident memory."""
    from keras_nonlocal.data import VideoList, video_dataset_from_list

    paths = tuple(str(folder / f"small{i}.mp4") for i in range(50))
    for path in paths:
        write_video(path, 96, 128, num_frames=40)
    dataset = video_dataset_from_list(
        VideoList(paths), num_frames=8, frame_stride=4, crop_size=64, verbose=False
    )
    print("\n| clips of 8×64×64 out of files of 128×96 | resident MiB |\n|---:|---:|")
    seen, next_line = 0, 0
    while seen <= num_clips:
        for clips in dataset:
            if seen >= next_line:
                print(f"| {seen} | {resident():.1f} |", flush=True)
                next_line += max(num_clips // 10, 1)
            seen += len(clips)


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
