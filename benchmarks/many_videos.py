"""Measures time and memory of long lists: from the list's file to the first batch.

    python benchmarks/many_videos.py --videos 240000 2000000 --classes 700

The file has a different path on each line. All of them are read as one tiny video, so
the rest of the time is that of the list. `read` is the time of `read_path_label_list`,
`first batch` the time from the list to the first batch of one-hot labels. `memory` is
what the process holds more than for a list of one batch, after the first batch and at
the most, per video. It includes the paths themselves (`path`: bytes of a path of the
list as a string of Python).
"""

import argparse
import gc
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fresh_process import run

BATCH_SIZE = 8
CASES: dict[str, dict[str, Any]] = {
    "shuffled": {},
    "in order": {"shuffle": False},
    "share of one of 8 machines": {"shard": [3, 8]},
    "resumed": {"resume": [3, 1000]},
    "three labels each": {"several": True},
    "`keras.utils.PyDataset`": {"dataset_type": "keras"},
}


def measure(num_videos: int, classes: int, case: dict[str, Any]) -> dict[str, float]:
    import av  # noqa: F401 - imported before the clock starts
    import tensorflow as tf

    from keras_nonlocal import data

    options = dict(case)
    several = options.pop("several", False)
    resume = options.pop("resume", None)
    tf.zeros(1)
    with tempfile.TemporaryDirectory() as folder:
        tiny = write_tiny_video(Path(folder) / "tiny.mkv")
        file = write_list(Path(folder) / "list.txt", num_videos, classes, several)
        gc.collect()
        before = resident()
        start = time.perf_counter()
        videos = data.read_path_label_list(
            file,
            "kinetics/train",
            [f"class {number}" for number in range(classes)],
            several_labels=several,
        )
        has_read = time.perf_counter()
        dataset = data.video_dataset_from_list(
            videos,
            "multi_hot" if several else "categorical",
            BATCH_SIZE,
            num_frames=2,
            frame_stride=1,
            crop_size=16,
            seed=1,
            verbose=False,
            open_video=lambda _: data.PyAVReader(tiny),
            **options,
        )
        batches = dataset if resume is None else dataset.resume(*resume)
        _, encoded = next(iter(batches))
        end = time.perf_counter()
        gc.collect()
        after = resident()
    assert encoded.shape == (BATCH_SIZE, classes)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "read": has_read - start,
        "first batch": end - has_read,
        "steady": after - before,
        "peak": peak - before,
        "path": sys.getsizeof(videos.paths[0]),
    }


def resident() -> int:
    """Bytes of memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def write_list(path: Path, num_videos: int, classes: int, several: bool) -> Path:
    import numpy as np

    labels = np.random.default_rng(1).integers(classes, size=(num_videos, 3)).tolist()
    with path.open("w") as file:
        for number, row in enumerate(labels):
            name = f"class {row[0]}/{number:011d}_000010_000020.mp4"
            label = " ".join(map(str, sorted({*row}) if several else row[:1]))
            file.write(f"{name} {label}\n")
    return path


def write_tiny_video(path: Path) -> str:
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.height = stream.width = 24
        stream.pix_fmt = "bgr0"
        for _ in range(4):
            frame = av.VideoFrame.from_ndarray(np.zeros((24, 24, 3), np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


def medians(num_videos: int, options: argparse.Namespace, name: str) -> dict[str, Any]:
    case = {"num_videos": num_videos, "classes": options.classes, "case": CASES[name]}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}
    runs = [run(__file__, case, quiet) for _ in range(options.repeats)]
    if any("error" in result for result in runs):
        raise SystemExit(f"{num_videos} videos, {name}: {runs}")
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", type=int, nargs="+", default=[240_000, 2_000_000])
    parser.add_argument("--classes", type=int, default=700)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case is not None:
        print(json.dumps(measure(**options.case)))
        return
    print("| videos | dataset | read s | first batch s | memory, peak | path |")
    print("|---:|---|---:|---:|---:|---:|")
    for name in CASES:
        # A resumed epoch must have as many batches.
        few = 10_000 if "resume" in CASES[name] else BATCH_SIZE * 8
        least = medians(few, options, name)
        for num_videos in options.videos:
            found = medians(num_videos, options, name)
            bytes_each = {
                key: (found[key] - least[key]) / (num_videos - few)
                for key in ("steady", "peak")
            }
            print(
                f"| {num_videos} | {name} | {found['read']:.2f} | "
                f"{found['first batch']:.2f} | {bytes_each['steady']:.0f}, "
                f"{bytes_each['peak']:.0f} | {found['path']} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
