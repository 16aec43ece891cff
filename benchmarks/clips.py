"""Seconds per clip of this package's readers, decord and OpenCV on the same files.

All of them open the file anew for each clip, as a data set of many files does, decode
the same frames on one thread and return the centre `(num_frames, 224, 224, 3)` of
pictures whose shorter side was scaled to 256. Readers that are not installed are left
out:

    pip install decord2 opencv-python-headless
    python benchmarks/clips.py
"""

import argparse
import hashlib
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "threads;1"

SIZES = ((256, 340), (720, 1280))
CLIPS = ((8, 8), (32, 2))
SHORT_SIDE, CROP, NUM_FRAMES = 256, 224, 300
Read = Callable[[str, np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=12, help="clips per figure")
    parser.add_argument("--rounds", type=int, default=3, help="the median counts")
    parser.add_argument("--memory", type=int, metavar="N", help="watch N more clips")
    arguments = parser.parse_args()
    readers = available_readers()
    print("CPU: processor time per clip in ms, which other programs hardly disturb.")
    print("wall: time per clip in ms; 2 threads: how much faster two are than one.")
    print(f"Now, 2 threads that need not wait make {gain_of_two_threads():.2f}× here.")
    print("    file   clip     reader      CPU     wall  2 threads")
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            path = str(Path(folder) / f"{size[1]}x{size[0]}.mp4")
            write_video(path, *size)
            write_record(path)
            for shape in CLIPS:
                compare(readers, path, shape, arguments.clips, arguments.rounds)
        if arguments.memory:
            watch_memory(str(Path(folder) / "340x256.mp4"), arguments.memory)


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
    shape: tuple[int, int],
    num_clips: int,
    num_rounds: int,
) -> None:
    clips = random_clips(shape, num_clips)
    times: dict[str, list[tuple[float, ...]]] = {name: [] for name in readers}
    for read in readers.values():
        read(path, clips[0])
    for _ in range(num_rounds):
        for name, read in readers.items():
            cpu, wall = seconds(read, path, clips, num_threads=1)
            _, wall_of_two = seconds(read, path, clips, num_threads=2)
            times[name].append((cpu, wall, wall_of_two))
    for name, rounds in times.items():
        cpu, wall, wall_of_two = map(statistics.median, zip(*rounds, strict=True))
        print(
            f"{Path(path).stem:>8} {shape[0]:>3}×{shape[1]} {name:>10} "
            f"{1000 * cpu / num_clips:8.1f} {1000 * wall / num_clips:8.1f} "
            f"{wall / wall_of_two:9.2f}×",
            flush=True,
        )


def random_clips(shape: tuple[int, int], num_clips: int) -> list[np.ndarray]:
    num_frames, stride = shape
    span = (num_frames - 1) * stride + 1
    starts = np.random.default_rng(0).integers(NUM_FRAMES - span + 1, size=num_clips)
    return [start + stride * np.arange(num_frames) for start in starts]


def seconds(
    read: Read, path: str, clips: Sequence[np.ndarray], num_threads: int
) -> tuple[float, float]:
    """Returns the processor time and the time that passed."""
    with ThreadPoolExecutor(num_threads) as pool:
        start, cpu_start = time.perf_counter(), time.process_time()
        for _ in pool.map(lambda indices: read(path, indices), clips):
            pass
        return time.process_time() - cpu_start, time.perf_counter() - start


def gain_of_two_threads() -> float:
    """Measures what other programs leave of the machine, by hashing without the GIL."""
    content = bytes(2**25)

    def read(path: str, indices: np.ndarray) -> np.ndarray:
        return np.frombuffer(hashlib.sha256(content).digest(), np.uint8)

    clips = [np.arange(1)] * 8
    _, wall = seconds(read, "", clips, num_threads=1)
    _, wall_of_two = seconds(read, "", clips, num_threads=2)
    return wall / wall_of_two


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


def watch_memory(path: str, num_clips: int) -> None:
    clips = random_clips(CLIPS[0], 50)
    for i in range(num_clips + 1):
        if i % max(num_clips // 10, 1) == 0:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{i:6d} clips: {resident():6.1f} MiB resident, peak {peak:.1f} MiB")
        read_with_this_package(path, clips[i % len(clips)])


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def write_video(path: str, height: int, width: int) -> None:
    """Writes a scene that moves with some noise, as H.264 with one key frame in 250."""
    import av

    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 256, (height // 16 + 40, width // 16 + 40, 3), np.uint8)
    scene = tiles.repeat(16, axis=0).repeat(16, axis=1)
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.codec_context.gop_size = 250
        for i in range(NUM_FRAMES):
            picture = scene[i : i + height, 2 * i : 2 * i + width] // 2
            picture = picture + rng.integers(0, 24, picture.shape, np.uint8)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture))
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
