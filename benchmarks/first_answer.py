"""Seconds until `keras-nonlocal predict` has printed its result, in a fresh process.

The network is NLResNet50I3D with 8×224×224 and random weights; the video is scored with
one view. Every figure is the median of several processes, with the least and the
greatest. Formats whose packages are missing are left out:

    python benchmarks/first_answer.py
"""

import argparse
import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# Format -> packages that write it and run it.
FORMATS = {
    "openvino": ("openvino",),
    "onnx": ("tf2onnx", "onnxruntime"),
    "litert": ("ai_edge_litert",),
    "saved_model": ("tensorflow",),
}
ONE_VIEW = ("--num-clips", "1", "--num-crops", "1")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder is not None:
        write_files(Path(options.folder))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(
            [sys.executable, __file__, "--folder", name],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        models = [folder / "model.keras"]
        models += [folder / each for each in FORMATS if (folder / each).exists()]
        seconds: dict[str, list[float]] = {model.name: [] for model in models}
        for _ in range(options.repeats):
            for model in models:
                seconds[model.name].append(until_printed(model, folder / "video.mp4"))
    print(
        f"`keras-nonlocal predict MODEL VIDEO {' '.join(ONE_VIEW)}`, NLResNet50I3D, "
        f"8×224×224; {platform.processor() or platform.machine()}, {os.cpu_count()} "
        f"cores; medians of {options.repeats} processes\n"
    )
    print("| MODEL | seconds | least – greatest |\n|---|---:|---:|")
    for model_name, times in seconds.items():
        print(
            f"| {model_name} | {statistics.median(times):.2f} | "
            f"{min(times):.2f} – {max(times):.2f} |"
        )


def until_printed(model: Path, video: Path) -> float:
    command = [sys.executable, "-m", "keras_nonlocal", "predict"]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, str(model), str(video), *ONE_VIEW],
        check=True,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - start
    assert done.stdout.startswith(str(video)), done.stdout
    return seconds


def write_files(folder: Path) -> None:
    """Writes the models and the video, in a process of its own."""
    from clip_files import write_video

    import keras_nonlocal

    model = keras_nonlocal.NLResNet50I3D(input_shape=(8, 224, 224, 3))
    model.save(folder / "model.keras")
    for name, packages in FORMATS.items():
        if all(importlib.util.find_spec(package) for package in packages):
            keras_nonlocal.export_model(model, folder / name, name)
    write_video(str(folder / "video.mp4"), 256, 340)


if __name__ == "__main__":
    main()
