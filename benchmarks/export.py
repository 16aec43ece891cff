"""Measures the time per clip and size of SavedModels with and without folding.

Both are exported from the same network with `export_saved_model`, loaded again and
queried in turn, one clip at a time:

    python benchmarks/export.py
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

import keras_nonlocal

NETWORKS = ("c2d", "i3d")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="the median counts")
    parser.add_argument("--crop-size", type=int, default=224, help="pixels")
    options = parser.parse_args()
    print("wall: ms per clip; CPU: processor time, which other programs hardly disturb")
    print("network       batch norm     wall      CPU  difference  variables    graph")
    for variant in NETWORKS:
        compare(variant, options.crop_size, options.rounds)


def compare(variant: str, crop_size: int, num_rounds: int) -> None:
    model = trained_network(variant, (8, crop_size, crop_size, 3))
    clip = np.random.default_rng(1).integers(
        0, 256, (1, 8, crop_size, crop_size, 3), dtype=np.uint8
    )
    expected = model(keras_nonlocal.preprocess_input(clip), training=False).numpy()
    with tempfile.TemporaryDirectory() as directory:
        folders = {
            title: keras_nonlocal.export_saved_model(
                model, directory, fold_batch_norm=fold
            )
            for title, fold in (("separate", False), ("folded", True))
        }
        served = {
            title: tf.saved_model.load(str(folder)).signatures["serving_default"]
            for title, folder in folders.items()
        }
        times: dict[str, list[tuple[float, float]]] = {title: [] for title in served}
        for _ in range(num_rounds + 1):
            for title, answer in served.items():
                start, cpu_start = time.perf_counter(), time.process_time()
                scores = answer(clips=tf.constant(clip))["scores"].numpy()
                end, cpu_end = time.perf_counter(), time.process_time()
                times[title].append((end - start, cpu_end - cpu_start))
        for title, folder in folders.items():
            # The first call optimizes the graph.
            wall, cpu = (
                statistics.median(t) for t in zip(*times[title][1:], strict=True)
            )
            scores = served[title](clips=tf.constant(clip))["scores"].numpy()
            difference = np.abs(scores - expected).max()
            variables = size(folder / "variables")
            print(
                f"NL-{variant.upper()} R50    {title:>10} {1e3 * wall:8.1f} "
                f"{1e3 * cpu:8.1f} {difference:11.1e} {variables:10.2f} "
                f"{size(folder) - variables:8.2f} MB",
                flush=True,
            )


def trained_network(variant: str, input_shape: tuple[int, ...]):
    """Returns the published network with statistics like those of a trained one."""
    model = keras_nonlocal.NLResNet(50, variant, input_shape=input_shape)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.path.endswith(("gamma", "moving_variance")):
            # Small steps of the residual branches keep the activations in range.
            weight.assign(rng.uniform(0.2, 0.4, weight.shape))
    return model


def size(folder: Path) -> float:
    """Returns the size of the files in a folder, in megabytes."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files) / 1e6


if __name__ == "__main__":
    main()
