"""Measures how fast threads and processes load clips, and what Python's lock costs.

    pip install grain py-spy
    python benchmarks/workers.py
    python benchmarks/workers.py --counts 1 2 4 8 --num-frames 32 --frame-stride 2

Each row runs in a new process, and each round measures all of them. The first seconds,
in which processes start and caches fill, do not count. `independent` are programs that
know nothing of each other, each with one thread: what the processors can do at most.
`workers` is the argument of `video_dataset_from_list`, whose clips all arrive in one
program.

The share of the time for which loading holds Python's lock is the share of py-spy's
samples in which the loading thread has it. Threads of one program cannot load more than
`1 / share` times as fast as one thread, however many processors there are.
"""

import argparse
import json
import multiprocessing
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import fresh_process
import numpy as np
from clip_files import write_video

HEIGHT, WIDTH, NUM_VIDEOS, BATCH = 256, 340, 8, 8
SAMPLES_PER_SECOND = 200


def main() -> None:
    options = parse_options()
    if options.case is not None:
        print(json.dumps(measure(json.loads(options.case))))
        return
    print(
        f"{options.num_frames}×{options.frame_stride} of {WIDTH}×{HEIGHT}, cropped at "
        f"random to 224; {os.cpu_count()} cores; medians of {options.rounds}\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        for index in range(NUM_VIDEOS):
            write_video(f"{folder}/{index}.mp4", HEIGHT, WIDTH)
        rates = print_rates(folder, options)
        print_ratios(rates, options.counts)
        print_share_of_lock(folder, options)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--num-frames", type=int, default=8)
    parser.add_argument("--frame-stride", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=8.0, help="of a row")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    return parser.parse_args()


def print_rates(
    folder: str, options: argparse.Namespace
) -> dict[tuple[str, int], float]:
    rows = [
        (kind, count)
        for kind in ("threads", "workers, tf.data", "workers, keras", "independent")
        for count in options.counts
        if (kind, count) != ("independent", 1)
    ]
    found: dict[tuple[str, int], list[float]] = {row: [] for row in rows}
    for _ in range(options.rounds):
        for kind, count in rows:
            case = case_of(kind, count, folder, options)
            result = fresh_process.run(__file__, case, {})
            if "error" in result:
                raise SystemExit(f"{kind} × {count}: {result['error']}")
            found[kind, count].append(result["rate"])
    print("| loaded by | number | clips per second | least – greatest |")
    print("|---|---:|---:|---:|")
    for (kind, count), rates in found.items():
        print(
            f"| {kind} | {count} | {statistics.median(rates):.1f} | "
            f"{min(rates):.1f} – {max(rates):.1f} |"
        )
    return {row: statistics.median(rates) for row, rates in found.items()}


def case_of(
    kind: str, count: int, folder: str, options: argparse.Namespace
) -> dict[str, Any]:
    return {
        "kind": kind,
        "count": count,
        "folder": folder,
        "num_frames": options.num_frames,
        "frame_stride": options.frame_stride,
        "seconds": options.seconds,
    }


def print_ratios(rates: dict[tuple[str, int], float], counts: list[int]) -> None:
    for count in counts:
        if count == 1:
            continue
        most = rates["independent", count]
        shares = ", ".join(
            f"{kind} {rates[kind, count] / most:.2f}"
            for kind in ("threads", "workers, tf.data", "workers, keras")
        )
        print(f"\n{count} beside {count} independent programs: {shares}")


def print_share_of_lock(folder: str, options: argparse.Namespace) -> None:
    program = shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if program is None:
        print("\nPython's lock: not measured, py-spy is not installed")
        return
    case = case_of("threads", 1, folder, options)
    samples = []
    for flags in ([], ["--gil"]):
        with tempfile.NamedTemporaryFile("r") as output:
            command = [program, "record", *flags, "--format", "raw"]
            command += ["--rate", str(SAMPLES_PER_SECOND), "--output", output.name]
            command += ["--", sys.executable, __file__, "--case", json.dumps(case)]
            subprocess.run(command, check=True, capture_output=True)
            samples.append(samples_of_loading(Path(output.name).read_text()))
    every, locked = samples
    share = locked / every
    print(
        f"\nPython's lock: held in {100 * share:.0f} % of the time of loading, so "
        f"threads reach at most {1 / share:.1f}× one thread, with 16 processors as "
        "with 64"
    )


def samples_of_loading(stacks: str) -> int:
    """The samples of stacks that load a clip."""
    counts = (
        int(line.rpartition(" ")[2])
        for line in stacks.splitlines()
        if re.search(r"load_with_times", line)
    )
    return sum(counts)


def measure(case: dict[str, Any]) -> dict[str, float]:
    """Runs in the new process."""
    if case["kind"] == "independent":
        return {"rate": independent_rate(case)}
    if case["kind"] == "threads":
        return {"rate": rate_of_threads(case, case["count"])}
    return {"rate": rate_of_dataset(case)}


def arguments(case: dict[str, Any]) -> dict[str, Any]:
    return {
        "num_frames": case["num_frames"],
        "frame_stride": case["frame_stride"],
        "batch_size": BATCH,
        "seed": 1,
        "verbose": False,
    }


def videos_of(case: dict[str, Any]) -> Any:
    """A few files, each many times."""
    from keras_nonlocal.data import VideoList

    paths = [f"{case['folder']}/{index}.mp4" for index in range(NUM_VIDEOS)]
    return VideoList(tuple(paths)).select(np.arange(4096) % NUM_VIDEOS)


def rate_of_threads(case: dict[str, Any], count: int) -> float:
    from keras_nonlocal.data import FramingSampler, PyAVReader
    from keras_nonlocal.data.datasets.clip_loader import ClipLoader
    from keras_nonlocal.data.datasets.loading import ViewSampler
    from keras_nonlocal.data.sampling import ClipSampler

    views = ViewSampler(
        ClipSampler(case["num_frames"], case["frame_stride"]), FramingSampler(224), 1
    )
    loader = ClipLoader(videos_of(case), PyAVReader, views)
    with ThreadPoolExecutor(count) as pool:
        numbers = iter(range(10**9))

        def batch() -> int:
            some = [next(numbers) % 4096 for _ in range(BATCH)]
            return sum(1 for _ in pool.map(loader.load_with_times, some))

        return rate_of(batch, case["seconds"])


def rate_of_dataset(case: dict[str, Any]) -> float:
    from keras_nonlocal.data import video_dataset_from_list

    kind = case["kind"].removeprefix("workers, ")
    dataset = video_dataset_from_list(
        videos_of(case), workers=case["count"], dataset_type=kind, **arguments(case)
    )
    if kind == "keras":
        numbers = iter(range(10**9))
        return rate_of(lambda: len(dataset[next(numbers)][0]), case["seconds"])
    batches = iter(dataset)
    return rate_of(lambda: len(next(batches)), case["seconds"])


def independent_rate(case: dict[str, Any]) -> float:
    context = multiprocessing.get_context("spawn")
    with context.Pool(case["count"]) as pool:
        return sum(pool.map(one_thread, [case] * case["count"], chunksize=1))


def one_thread(case: dict[str, Any]) -> float:
    return rate_of_threads(case, 1)


def rate_of(batch: Any, seconds: float) -> float:
    """Clips per second, after a warm-up of as many seconds."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        batch()
    start, count = time.perf_counter(), 0
    while time.perf_counter() < start + seconds:
        count += batch()
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
