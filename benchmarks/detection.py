"""Measures Mask R-CNN on a picture of 800×1333, also torchvision's and Detectron2's.

Every row is measured in a new process, with the frozen batch normalization and the
frozen first stages of fine-tuning. The networks of peers have random weights, and
ours the same ones: "difference" is that of the scores of all detections from the
peer's. "Extra memory" is the peak of the process above what it holds before the first
step, what is needed to compile it included. A training step has the given number of
objects in the picture.

    python benchmarks/detection.py
    python benchmarks/detection.py --peer-python ~/venv-torchvision/bin/python
    python benchmarks/detection.py --objects 1 100 --steps training    # memory
    python benchmarks/detection.py --pieces --peer-python …    # RoIAlign, suppression

The environment of the peers needs `pip install torch torchvision`; `detectron2`, built
from its source, is measured where it can be imported.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

import fresh_process
import numpy as np
from detection_pieces import CONVOLUTION, PIECES, own_piece
from devices import backend_version, device_name
from memory import MemoryMeter

HEIGHT, WIDTH, PADDED_WIDTH = 800, 1333, 1344
SIZE = (HEIGHT, WIDTH)
CLASSES, PLACES, MASK_GRID = 80, 100, 112
OWN, OWN_BLOCK = "keras_nonlocal", "keras_nonlocal, with a non-local block"
KERAS = "keras.layers.Conv2D"
PEER_SCRIPT = str(Path(__file__).with_name("detection_peers.py"))
HEADER = """
| network | step | objects | seconds | least – greatest | extra MB | difference |
|---|---|---:|---:|---:|---:|---:|"""
PIECE_HEADER = """
| piece | implementation | forward, ms | with gradients, ms |
|---|---|---:|---:|"""


def main() -> None:
    options = parse_options()
    if options.case is not None:
        case = json.loads(options.case)
        measured = own_piece(case) if "piece" in case else measure(case)
        print(json.dumps(measured))
        return
    peers = find_peers(options.peer_python)
    if options.pieces:
        print_pieces(options, peers)
        return
    with tempfile.TemporaryDirectory() as folder:
        weights = str(Path(folder) / "torchvision.pth") if peers else None
        if weights:
            run({"write": weights}, options, is_peer=True)
        print_networks(options, peers, weights)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer-python", metavar="PATH", help="Python of the peers")
    parser.add_argument("--objects", type=int, nargs="+", default=[10])
    parser.add_argument(
        "--steps",
        nargs="+",
        default=["inference", "training"],
        choices=("inference", "training"),
    )
    parser.add_argument("--repeats", type=int, default=3, help="steps in a process")
    parser.add_argument("--jit", action="store_true", help="XLA with TensorFlow")
    parser.add_argument("--pieces", action="store_true", help="only the pieces")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    return parser.parse_args()


def find_peers(python: str | None) -> list[str]:
    if python is None:
        return []
    found = fresh_process.run(PEER_SCRIPT, {"find": True}, {}, python)
    if "error" in found:
        raise SystemExit(f"{python} has no torchvision: {found['error']}")
    return found["peers"]


def run(case: dict[str, Any], options: argparse.Namespace, *, is_peer: bool) -> Any:
    if is_peer:
        return fresh_process.run(PEER_SCRIPT, case, {}, options.peer_python)
    return fresh_process.run(__file__, case, {})


def print_networks(
    options: argparse.Namespace, peers: list[str], weights: str | None
) -> None:
    results, versions = [], {}
    print(HEADER)
    for step in options.steps:
        for objects in options.objects if step == "training" else [None]:
            scores: Any = None
            for network in (*peers, OWN, OWN_BLOCK):
                case = {
                    "network": network,
                    "step": step,
                    "objects": objects,
                    "weights": weights,
                    "repeats": options.repeats,
                    "jit": options.jit,
                }
                result = run(case, options, is_peer=network in peers)
                if network == "torchvision":
                    scores = result.get("scores")
                print(row(case, result, scores), flush=True)
                results.append((case, result))
                versions[result.get("versions")] = None
    names = ", ".join(filter(None, versions))
    print(f"\n{device_name()}; {names}; medians of {options.repeats}\n")
    for step in options.steps:
        print_ratios(step, results)


def row(case: dict[str, Any], result: dict[str, Any], scores: Any) -> str:
    objects = result.get("found") if case["step"] == "inference" else case["objects"]
    start = f"| {case['network']} | {case['step']} | {objects} |"
    if "error" in result:
        return f"{start} failed: {result['error']} | | | |"
    seconds = result["seconds"]
    difference = ""
    if scores and result.get("scores") and case["network"] != "torchvision":
        short = min(len(scores), len(result["scores"]))
        a, b = np.array(scores[:short]), np.array(result["scores"][:short])
        difference = f"{np.abs(a - b).max():.0e}"
    return (
        f"{start} {statistics.median(seconds):.2f} | {min(seconds):.2f} – "
        f"{max(seconds):.2f} | {result['extra_bytes'] / 1e6:.0f} | {difference} |"
    )


def print_ratios(step: str, results: list[Any]) -> None:
    """Ours without a block beside the best of the peers, for each number of objects."""
    for objects in dict.fromkeys(case["objects"] for case, _ in results):
        found = {
            case["network"]: result
            for case, result in results
            if (case["step"], case["objects"]) == (step, objects)
            and "error" not in result
        }
        own = found.pop(OWN, None)
        found.pop(OWN_BLOCK, None)
        if own is None or not found:
            continue
        speed = min(statistics.median(r["seconds"]) for r in found.values())
        memory = min(r["extra_bytes"] for r in found.values())
        note = "" if objects is None else f" of {objects} objects"
        print(
            f"- {step}{note}: {speed / statistics.median(own['seconds']):.2f}× as fast "
            f"as the best peer, in {own['extra_bytes'] / memory:.2f} of the least "
            "memory"
        )


def measure(case: dict[str, Any]) -> dict[str, Any]:
    """Runs in the new process."""
    import keras

    model = own_model(case)
    # Random weights diverge at a common learning rate.
    optimizer = keras.optimizers.SGD(1e-7, momentum=0.9, weight_decay=1e-4)
    model.compile(optimizer, jit_compile=True if case["jit"] else "auto")
    x, y = picture(case["objects"] or 0)
    memory = MemoryMeter()
    result: dict[str, Any] = {"versions": f"Keras {keras.__version__}"}
    result["versions"] += f", {backend_version()}"
    if case["step"] == "inference":
        found = model.predict_on_batch(x)
        result["found"] = int(found["num_detections"][0])
        result["scores"] = found["scores"][0][: result["found"]].tolist()
        result["seconds"] = seconds_of(lambda: detect(model, x), case)
    else:
        float(model.train_on_batch(x, y)[0])
        result["seconds"] = seconds_of(lambda: model.train_on_batch(x, y), case)
    return {**result, "extra_bytes": memory.extra_bytes()}


def detect(model: Any, x: Any) -> Any:
    """Masks of the whole picture included, which the peers' networks return."""
    from keras_nonlocal.detection import paste_masks

    found = model.predict_on_batch(x)
    count = int(found["num_detections"][0])
    return paste_masks(found["masks"][0][:count], found["boxes"][0][:count], SIZE)


def seconds_of(step: Callable[[], Any], case: dict[str, Any]) -> list[float]:
    seconds = []
    for _ in range(case["repeats"]):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return seconds


def own_model(case: dict[str, Any]) -> Any:
    import keras

    import keras_nonlocal

    model = keras_nonlocal.NLMaskRCNN50(
        CLASSES,
        case["weights"],
        (HEIGHT, PADDED_WIDTH, 3),
        nonlocal_blocks=int(case["network"] == OWN_BLOCK),
        freeze_stages=("stem", "res2"),
        recipe="torchvision",
        seed=1,
    )
    for layer in model.pyramid.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    return model


def picture(objects: int) -> tuple[Any, Any]:
    """A padded picture of noise with some objects, and their masks."""
    rng = np.random.default_rng(1)
    boxes = np.zeros((1, PLACES, 4), "float32")
    labels = np.full((1, PLACES), -1, "int32")
    corners = rng.uniform(0, 500, (objects, 2))
    boxes[0, :objects] = np.concatenate(
        [corners, corners + rng.uniform(20, 300, (objects, 2))], axis=1
    )
    labels[0, :objects] = rng.integers(0, CLASSES, objects)
    images = np.zeros((1, HEIGHT, PADDED_WIDTH, 3), "float32")
    images[:, :, :WIDTH] = rng.integers(0, 256, (HEIGHT, WIDTH, 3))
    masks = rng.integers(0, 2, (1, PLACES, MASK_GRID, MASK_GRID)).astype("float32")
    sizes = np.array([[HEIGHT, WIDTH]], "float32")
    x = {"images": images, "image_sizes": sizes}
    return x, {"boxes": boxes, "labels": labels, "masks": masks}


def print_pieces(options: argparse.Namespace, peers: list[str]) -> None:
    print(PIECE_HEADER)
    for piece in PIECES:
        rows = [("torchvision", True, False)] if peers else []
        rows += [(OWN, False, False), (f"{OWN}, XLA", False, True)]
        if piece == CONVOLUTION:
            rows += [(KERAS, False, False)]
        for title, is_peer, jit in rows:
            case = {"piece": piece, "jit": jit, "repeats": options.repeats}
            case["is_plain"] = title == KERAS
            result = run(case, options, is_peer=is_peer)
            if "error" in result:
                print(f"| {piece} | {title} | failed: {result['error']} | |")
                continue
            gradients = result["gradients"]
            numbers = [result["forward"], *([] if gradients is None else [gradients])]
            shown = [f"{1e3 * number:.1f}" for number in numbers] + [""]
            print(f"| {piece} | {title} | {shown[0]} | {shown[1]} |", flush=True)


if __name__ == "__main__":
    main()
