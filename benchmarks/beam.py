"""Measures what a video costs in each pipeline, and prints the tables of a page.

    pip install apache-beam
    python benchmarks/beam.py --prices 0.02 0.05

Each row runs in a new process, on one core and without a GPU. Seconds are those in
which the core computes, so other programs on the machine hardly count. A process does
the work for a few videos, then for more of them, and the difference is the cost of the
additional ones. `alone` is the function for one machine, and `Beam` the pipeline in
Beam's runner for one process, which has the work of the launcher, the runner and the
worker.

The videos are H.264, 340×256, 300 frames, as long as those of Kinetics. The network is
NL-I3D R50 with five blocks and clips of 8×224×224. Prices are those of a core for an
hour, in any currency. Storage, network and idle workers are not among them.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import fresh_process
from clip_files import write_video

HEIGHT, WIDTH, NUM_FILES = 256, 340, 4
NUM_VIDEOS = 100_000
VIEWS = {"embed": (10, 1), "evaluate": (10, 3)}
ROWS = {
    "scan": "scan, decoding all frames",
    "write-records": "write records, shorter side 256",
    "embed": "embed, 10 clips × 1 crop",
    "evaluate": "evaluate, 10 clips × 3 crops",
}


def main() -> None:
    options = parse_options()
    if options.case is not None:
        print(json.dumps(measure(json.loads(options.case))))
        return
    with tempfile.TemporaryDirectory() as folder:
        for index in range(NUM_FILES):
            write_video(f"{folder}/{index}.mp4", HEIGHT, WIDTH)
        found = [
            {
                (kind, how): measured(kind, how, folder, options)
                for kind in options.rows
                for how in ("alone", "Beam")
            }
            for _ in range(options.rounds)
        ]
    print_seconds(found, options)
    print_costs(found, options)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prices", type=float, nargs="+", default=[0.02, 0.05])
    parser.add_argument("--rows", nargs="+", choices=[*ROWS], default=[*ROWS])
    parser.add_argument("--videos", type=int, nargs=2, default=[4, 24])
    parser.add_argument("--scored-videos", type=int, nargs=2, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    return parser.parse_args()


def measured(
    kind: str, how: str, folder: str, options: argparse.Namespace
) -> dict[str, float]:
    counts = options.scored_videos if kind in VIEWS else options.videos
    case = {"kind": kind, "how": how, "folder": folder, "counts": counts}
    result = fresh_process.run(__file__, case, {"CUDA_VISIBLE_DEVICES": "-1"})
    if "error" in result:
        raise SystemExit(f"{kind}, {how}: {result['error']}")
    return result


def print_seconds(
    found: list[dict[tuple[str, str], dict[str, float]]], options: argparse.Namespace
) -> None:
    print(
        f"Seconds of one core, medians of {options.rounds}, least – greatest; "
        f"{processor()}, no GPU\n"
    )
    print(
        "| pipeline | a video, alone | a video, Beam | Beam / alone | start of a "
        "process |\n|---|---:|---:|---:|---:|"
    )
    for kind in options.rows:
        alone, beam = (values(found, kind, how, "video") for how in ("alone", "Beam"))
        ratio = statistics.median(beam) / statistics.median(alone)
        start = values(found, kind, "Beam", "start")
        print(
            f"| {ROWS[kind]} | {spread(alone)} | {spread(beam)} | {ratio:.2f} | "
            f"{statistics.median(start):.1f} |"
        )


def print_costs(
    found: list[dict[tuple[str, str], dict[str, float]]], options: argparse.Namespace
) -> None:
    print(f"\n{NUM_VIDEOS:,} videos, by the medians with Beam\n")
    prices = " | ".join(f"at {price:g} per core-hour" for price in options.prices)
    print(f"| pipeline | core-hours | hours on 100 cores | {prices} |")
    print(f"|---|---:|---:|{'---:|' * len(options.prices)}")
    for kind in options.rows:
        seconds = statistics.median(values(found, kind, "Beam", "video"))
        hours = seconds * NUM_VIDEOS / 3600
        costs = " | ".join(f"{hours * price:.2f}" for price in options.prices)
        print(f"| {ROWS[kind]} | {hours:.1f} | {hours / 100:.2f} | {costs} |")


def values(
    found: list[dict[tuple[str, str], dict[str, float]]], kind: str, how: str, name: str
) -> list[float]:
    return [a_round[kind, how][name] for a_round in found]


def spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.3f} ({min(seconds):.3f} – {max(seconds):.3f})"


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "an unknown processor"


def measure(case: dict[str, Any]) -> dict[str, float]:
    """Runs in the new process."""
    # Before anything asks how many cores there are.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    few, many = case["counts"]
    cold = seconds_of(case, few)
    seconds_of_few, seconds_of_many = seconds_of(case, few), seconds_of(case, many)
    per_video = (seconds_of_many - seconds_of_few) / (many - few)
    return {"video": per_video, "start": cold - few * per_video}


def seconds_of(case: dict[str, Any], count: int) -> float:
    before = time.process_time()
    with tempfile.TemporaryDirectory() as output:
        work(case, count, output)
    return time.process_time() - before


def work(case: dict[str, Any], count: int, output: str) -> None:
    from keras_nonlocal import data

    paths = tuple(f"{case['folder']}/{i % NUM_FILES}.mp4" for i in range(count))
    videos = data.VideoList(paths, tuple(i % 2 for i in range(count)))
    with_beam = case["how"] == "Beam"
    if case["kind"] == "scan":
        scan(paths, output, with_beam)
    elif case["kind"] == "write-records":
        write_records(videos, output, with_beam)
    else:
        score(case["kind"], videos, output, with_beam)


def scan(paths: tuple[str, ...], output: str, with_beam: bool) -> None:
    from keras_nonlocal import beam, data

    if with_beam:
        facts = beam.scan_videos(paths, output, options=in_this_process())
    else:
        facts = data.scan_videos(paths)
    assert not any(fact.error for fact in facts)


def write_records(videos: Any, output: str, with_beam: bool) -> None:
    from keras_nonlocal import beam, data

    if with_beam:
        beam.write_video_records(
            videos, output, short_side=256, options=in_this_process()
        )
    else:
        data.write_video_records(videos, output, short_side=256, verbose=False)


def score(kind: str, videos: Any, output: str, with_beam: bool) -> None:
    from keras_nonlocal import beam, evaluate_videos, predict_videos
    from keras_nonlocal.inference import Views

    views = VIEWS[kind]
    if kind == "evaluate":
        names = [str(label) for label in range(400)]
        if with_beam:
            beam.evaluate_videos(
                model(kind),
                videos,
                output,
                Views(*views),
                class_names=names,
                options=in_this_process(),
            )
        else:
            evaluate_videos(model(kind), videos, *views, class_names=names, verbose=0)
    elif with_beam:
        beam.predict_videos(
            model(kind), videos, output, Views(*views), options=in_this_process()
        )
    else:
        predict_videos(model(kind), videos, *views)


def in_this_process() -> list[str]:
    return ["--runner=FnApiRunner"]


MODELS: dict[str, Any] = {}


def model(kind: str) -> Any:
    import keras_nonlocal

    if kind not in MODELS:
        head = {"classes": 400}
        if kind == "embed":
            head = {"include_top": False, "pooling": "avg"}
        MODELS[kind] = keras_nonlocal.NLResNet50I3D(
            input_shape=(8, 224, 224, 3), nonlocal_blocks=5, **head
        )
    return MODELS[kind]


if __name__ == "__main__":
    sys.exit(main())
