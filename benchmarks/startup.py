"""Seconds from an imported package to a network, from its file, and to the first step.

Every figure is of a fresh process, the median of several, with the least and the
greatest:

    python benchmarks/startup.py
    python benchmarks/startup.py --jit      # the first step compiled by XLA
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

FIRST_STEP = "from fit to the end of the first step"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--jit", action="store_true", help="XLA with TensorFlow")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder is not None:
        print(json.dumps(measure(options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        results = [run_in_fresh_process(folder) for _ in range(options.repeats)]
        plain = [
            run_in_fresh_process(folder, "--plain") for _ in range(options.repeats)
        ]
    for result, of_plain in zip(results, plain, strict=True):
        result["seconds"][f"{FIRST_STEP}, as a plain keras.Model"] = of_plain[
            "seconds"
        ][FIRST_STEP]
    print(
        f"NLResNet50I3D, 8×224×224, batch {options.batch}"
        f"{', XLA' if options.jit else ''}; "
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores; "
        f"{results[0]['versions']}; medians of {options.repeats} processes\n"
    )
    print("| what | seconds | least – greatest |\n|---|---:|---:|")
    for name in results[0]["seconds"]:
        times = [result["seconds"][name] for result in results]
        print(
            f"| {name} | {statistics.median(times):.2f} | "
            f"{min(times):.2f} – {max(times):.2f} |"
        )


def run_in_fresh_process(folder: str, *more: str) -> dict[str, Any]:
    command = [sys.executable, *sys.argv, "--folder", folder, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Runs in the fresh process."""
    seconds = {}
    start = time.perf_counter()
    import keras
    import numpy as np

    import keras_nonlocal

    builder = keras_nonlocal.NLResNet50I3D
    seconds["import Keras, its backend and this package"] = since(start)
    # The first layer of a process initializes the backend.
    keras.layers.Dense(1)(np.zeros((1, 1)))
    start = time.perf_counter()
    model = builder(input_shape=(8, 224, 224, 3))
    seconds["build the network"] = since(start)
    path = str(Path(options.folder) / "model.keras")
    if not os.path.exists(path):
        model.save(path)
    start = time.perf_counter()
    keras.saving.load_model(path)
    seconds["load it from a .keras file"] = since(start)
    if options.plain:
        model = keras.Model(model.inputs, model.outputs)
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        "sparse_categorical_crossentropy",
        jit_compile=True if options.jit else "auto",
    )
    clips = np.zeros((options.batch, 8, 224, 224, 3), "float32")
    labels = np.zeros(options.batch, "int32")
    start = time.perf_counter()
    model.fit(clips, labels, batch_size=options.batch, verbose=0)
    seconds[FIRST_STEP] = since(start)
    start = time.perf_counter()
    model.fit(clips, labels, batch_size=options.batch, verbose=0)
    seconds["another fit of one step"] = since(start)
    backend = keras.backend.backend()
    version = __import__(backend).__version__
    return {
        "seconds": seconds,
        "versions": f"Keras {keras.__version__}, {backend} {version}",
    }


def since(start: float) -> float:
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
