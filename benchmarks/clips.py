"""Seconds per clip of this package's readers, decord and OpenCV on the same files.

All of them open the file anew for each clip, as a data set of many files does, decode
the same frames on one thread and return the centre `(num_frames, 224, 224, 3)` of
pictures whose shorter side was scaled to 256. Readers that are not installed are left
out:

    pip install decord2 opencv-python-headless
    python benchmarks/clips.py --memory-clips 10000

The tables are Markdown. `CPU` is the processor time of a clip in milliseconds, which
other programs hardly disturb, `wall` the time that passed: medians over the rounds, and
in brackets the least and the greatest. `this ÷ it` is the CPU time of this package's
decoder over that of the reader. `2 threads` says how many clips two threads read in the
time in which one reads one; where two processes, which share no interpreter, gain no
more (`2 processes`), it is the machine that gives no more.
"""

import argparse
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "threads;1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SIZES = ((256, 340), (720, 1280))
CLIPS = ((8, 8), (32, 2))
SHORT_SIDE, CROP, NUM_FRAMES = 256, 224, 300
PACKAGES = ("av", "decord2", "opencv-python-headless", "tensorflow", "tensorflow-cpu")
Read = Callable[[str, np.ndarray], np.ndarray]


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
            write_record(path)
            for shape in CLIPS:
                clips = random_clips(shape, num_clips)
                compare(readers, path, clips, num_rounds, pools)


def available_readers() -> dict[str, Read]:
    readers = {"this": read_with_this_package, "TFRecord": read_record}
    for name, read in (("decord", read_with_decord), ("cv2", read_with_opencv)):
        try:
            __import__(name)
        except ImportError:
            print(f"{name} is not installed")
        else:
            readers[name] = read
    return readers


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
    """Returns the processor time of this process and the time that passed."""
    start, cpu_start = time.perf_counter(), time.process_time()
    for _ in pool.map(partial(discard, read, path), clips):
        pass
    return time.process_time() - cpu_start, time.perf_counter() - start


def discard(read: Read, path: str, indices: np.ndarray) -> None:
    """Reads, so that processes need not send what they read."""
    read(path, indices)


def read_with_this_package(path: str, indices: np.ndarray) -> np.ndarray:
    from keras_nonlocal.data import Framing, PyAVReader

    with PyAVReader(path) as video:
        return video.read(indices, Framing(SHORT_SIDE, (CROP, CROP)))[:, 0]


def write_record(path: str) -> None:
    from keras_nonlocal.data import VideoList, write_video_records

    folder = Path(path).with_suffix(".records")
    write_video_records(VideoList((path,)), folder, short_side=256, verbose=False)


def read_record(path: str, indices: np.ndarray) -> np.ndarray:
    from keras_nonlocal.data import Framing, RecordReader

    record = Path(path).with_suffix(".records") / "000000.tfrecord"
    with RecordReader(str(record)) as video:
        return video.read(indices, Framing(SHORT_SIDE, (CROP, CROP)))[:, 0]


def read_with_decord(path: str, indices: np.ndarray) -> np.ndarray:
    import decord

    width, height = scaled_size(path)
    video = decord.VideoReader(path, width=width, height=height, num_threads=1)
    return centre(video.get_batch(indices).asnumpy())


def read_with_opencv(path: str, indices: np.ndarray) -> np.ndarray:
    import cv2

    cv2.setNumThreads(1)
    size = scaled_size(path)
    video = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
    video.set(cv2.CAP_PROP_POS_FRAMES, int(indices[0]))
    wanted = {*indices.tolist()}
    pictures = []
    for index in range(indices[0], indices[-1] + 1):
        video.grab()
        if index in wanted:
            picture = cv2.resize(video.retrieve()[1], size)
            pictures.append(centre(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)))
    video.release()
    return np.stack(pictures)


def scaled_size(path: str) -> tuple[int, int]:
    width, height = (int(side) for side in Path(path).stem.split("x"))
    return round(width * SHORT_SIDE / height), SHORT_SIDE


def centre(pictures: np.ndarray) -> np.ndarray:
    top, left = ((side - CROP) // 2 for side in pictures.shape[-3:-1])
    return pictures[..., top : top + CROP, left : left + CROP, :]


def watch_memory(folder: Path, num_clips: int) -> None:
    """Goes through epochs of a dataset of small videos and prints what stays taken."""
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


def write_video(
    path: str, height: int, width: int, num_frames: int = NUM_FRAMES
) -> None:
    """Writes a scene that moves with some noise, as H.264 with one key frame in 250."""
    import av

    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 256, (height // 16 + 40, width // 16 + 40, 3), np.uint8)
    scene = tiles.repeat(16, axis=0).repeat(16, axis=1)
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.codec_context.gop_size = 250
        for i in range(num_frames):
            picture = scene[i : i + height, 2 * i : 2 * i + width] // 2
            picture = picture + rng.integers(0, 24, picture.shape, np.uint8)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture))
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
