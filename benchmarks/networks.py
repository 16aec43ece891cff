"""Measures inference and training steps of the networks, also of PySlowFast's.

Every row is measured in a new process on random clips on the device. Times are medians,
with minimum and maximum. The share is the fraction of the rate at which the device
multiplies large matrices of the same dtype, measured in the same process, where the
backward pass counts as twice the multiply-adds of the forward pass. The networks take
turns, so changes in the machine's speed affect them equally.

    python benchmarks/networks.py
    python benchmarks/networks.py --peer ~/SlowFast       # pip install torch fvcore ...
    python benchmarks/networks.py --former     # beside what it was
    python benchmarks/networks.py --runtimes --steps inference   # as files, in OpenVINO
    KERAS_BACKEND=jax python benchmarks/networks.py --dtype mixed_bfloat16 --batch 32
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

import fresh_process
import runtimes
from devices import backend_version, device_name, keras_device, torch_device_name

SIDE, FRAMES, CLASSES = 224, 8, 400
MATRIX_SIDE = {"cpu": 2048, "gpu": 8192}
PEER_CONFIGURATIONS = {
    "cpu": ("default", "channels_last_3d"),
    "gpu": ("default", "channels_last_3d", "compiled", "channels_last_3d compiled"),
}
KERAS_NORM = "with Keras's BatchNormalization"
KERAS_CONVOLUTION = "with Keras's Conv3D"
NO_ONEDNN = "without oneDNN"
# Backend -> what our networks were without a change.
FORMER = {
    "tensorflow": (KERAS_NORM, NO_ONEDNN),
    "jax": (KERAS_CONVOLUTION,),
    "torch": (),
}
HEADER = """
| network | step | milliseconds | least – greatest | clips per second | share |
|---|---|---:|---:|---:|---:|"""


def main() -> None:
    options = parse_options()
    if options.case is not None:
        print(json.dumps(measure(json.loads(options.case))))
        return
    cases = [
        {**shared(options), "step": step, "peer": None, "configuration": c}
        for step in options.steps
        for c in (None, *(former() if options.former else ()))
    ]
    if options.peer:
        kind = "gpu" if has_gpu() else "cpu"
        cases += [
            {**shared(options), "step": step, "peer": options.peer, "configuration": c}
            for step in options.steps
            for c in PEER_CONFIGURATIONS[kind]
        ]
    if options.runtimes and "inference" in options.steps:
        cases += [
            {**shared(options), "step": "inference", "peer": peer, "configuration": c}
            for peer in (None, options.peer)[: 2 if options.peer else 1]
            for c in (runtimes.PEER_CONFIGURATIONS if peer else runtimes.CONFIGURATIONS)
        ]
    rounds = [[run(case) for case in cases] for _ in range(options.rounds)]
    results = [
        (case, pooled(found))
        for case, found in zip(cases, zip(*rounds, strict=True), strict=True)
    ]
    print(describe(options, results))
    print(HEADER)
    for case, result in results:
        print(row(case, result))
    print()
    for step in options.steps:
        print_ratios(step, results)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--variant", choices=("c2d", "i3d"), default="i3d")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--dtype", default="float32", help="a Keras dtype policy")
    parser.add_argument("--jit", action="store_true", help="XLA with TensorFlow")
    parser.add_argument("--repeats", type=int, default=5, help="steps in a process")
    parser.add_argument(
        "--rounds", type=int, default=3, help="processes, the networks taking turns"
    )
    parser.add_argument(
        "--steps",
        nargs="+",
        default=["inference", "training"],
        choices=("inference", "training"),
    )
    parser.add_argument("--former", action="store_true", help="ours as it was, too")
    parser.add_argument("--peer", metavar="PATH", help="a checkout of PySlowFast")
    parser.add_argument(
        "--runtimes", action="store_true", help="inference of exported files, too"
    )
    parser.add_argument("--case", help=argparse.SUPPRESS)
    return parser.parse_args()


def shared(options: argparse.Namespace) -> dict[str, Any]:
    names = ("depth", "variant", "batch", "dtype", "jit", "repeats")
    return {name: getattr(options, name) for name in names}


def former() -> tuple[str, ...]:
    import keras

    return FORMER[keras.backend.backend()]


def has_gpu() -> bool:
    """Whether PyTorch, which runs the peer, has a GPU."""
    code = "import torch; print(torch.cuda.is_available())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() == "True"


def run(case: dict[str, Any]) -> dict[str, Any]:
    without = case["configuration"] == NO_ONEDNN
    switch = {"TF_ENABLE_ONEDNN_OPTS": "0"} if without else {}
    result = fresh_process.run(__file__, case, switch)
    print(row(case, pooled([result])), file=sys.stderr, flush=True)
    return result


def measure(case: dict[str, Any]) -> dict[str, Any]:
    """Runs in the new process."""
    make = peer_step if case["peer"] else own_step
    if runtimes.runs(case):
        make = runtimes.peer_step if case["peer"] else runtimes.own_step
    step, multiply_matrices, facts = make(case)
    step()
    step()
    seconds = []
    for _ in range(case["repeats"]):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    peak = multiply_matrices and matrix_rate(multiply_matrices, facts["matrix_side"])
    return {**facts, "seconds": seconds, "peak": peak}


def pooled(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns the median over the steps of all rounds, and their extremes."""
    for result in found:
        if "error" in result:
            return result
    seconds = [value for result in found for value in result["seconds"]]
    return {
        **found[0],
        "median": statistics.median(seconds),
        "least": min(seconds),
        "greatest": max(seconds),
        "peak": max(result["peak"] or 0 for result in found),
    }


def matrix_rate(multiply: Callable[[], None], side: int) -> float:
    """Returns the multiply-adds per second in a product of two square matrices."""
    multiply()
    seconds = []
    for _ in range(7):
        start = time.perf_counter()
        multiply()
        seconds.append(time.perf_counter() - start)
    return side**3 / statistics.median(seconds)


def own_step(case: dict[str, Any]) -> tuple[Callable[[], None], Any, dict[str, Any]]:
    import keras
    import numpy as np

    import keras_nonlocal

    keras.config.set_dtype_policy(case["dtype"])
    if case["configuration"] == KERAS_NORM:
        fused = keras_nonlocal.layers.FusedBatchNormalization
        fused.call = keras.layers.BatchNormalization.call
    if case["configuration"] == KERAS_CONVOLUTION:
        folded = keras_nonlocal.layers.FoldedConv3D
        folded.convolution_op = keras.layers.Conv3D.convolution_op
    model = keras_nonlocal.NLResNet(
        case["depth"], case["variant"], input_shape=(FRAMES, SIDE, SIDE, 3)
    )
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
        "sparse_categorical_crossentropy",
        jit_compile=True if case["jit"] else "auto",
    )
    shape = (case["batch"], FRAMES, SIDE, SIDE, 3)
    clips = keras.random.normal(shape, seed=0)
    labels = keras.ops.convert_to_tensor(np.zeros(case["batch"], "int32"))
    compute_dtype = keras.config.dtype_policy().compute_dtype
    on_gpu = keras_device() == "gpu"
    side = MATRIX_SIDE["gpu" if on_gpu else "cpu"]
    a = keras.ops.cast(keras.random.normal((side, side), seed=1), compute_dtype)

    def multiply() -> None:
        np.asarray(keras.ops.convert_to_numpy(keras.ops.matmul(a, a)[0, 0]))

    def step() -> None:
        if case["step"] == "inference":
            model.predict_on_batch(clips)
        else:
            float(model.train_on_batch(clips, labels))

    multiply_adds = keras_nonlocal.models.count_complexity(model).multiply_adds
    facts = {
        "versions": f"Keras {keras.__version__}, {backend_version()}",
        "device": device_name(),
        "matrix_side": side,
        "multiply_adds": multiply_adds,
    }
    return step, multiply, facts


def peer_step(case: dict[str, Any]) -> tuple[Callable[[], None], Any, dict[str, Any]]:
    import pyslowfast
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    # What XLA does by itself on GPUs: it tries kernels, and multiplies in TF32.
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    model = pyslowfast.build(case["peer"], case["variant"], case["depth"]).to(device)
    clips = torch.randn(case["batch"], 3, FRAMES, SIDE, SIDE, device=device)
    if "channels_last_3d" in case["configuration"]:
        model = model.to(memory_format=torch.channels_last_3d)
        clips = clips.contiguous(memory_format=torch.channels_last_3d)
    run = torch.compile(model) if "compiled" in case["configuration"] else model
    half = {"mixed_bfloat16": torch.bfloat16, "mixed_float16": torch.float16}
    dtype = half.get(case["dtype"])
    autocast = {"device_type": device, "dtype": dtype, "enabled": dtype is not None}
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, nesterov=True)
    labels = torch.zeros(case["batch"], dtype=torch.long, device=device)
    training = case["step"] == "training"
    model.train(training)

    def step() -> None:
        with torch.set_grad_enabled(training), torch.autocast(**autocast):
            scores = run([clips])
            if not training:
                scores.float().cpu()
                return
            loss = torch.nn.functional.cross_entropy(scores, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        loss.item()

    side = MATRIX_SIDE["gpu" if device == "cuda" else "cpu"]
    a = torch.randn(side, side, device=device, dtype=dtype or torch.float32)

    def multiply() -> None:
        (a @ a)[0, 0].item()

    facts = {
        "versions": f"torch {torch.__version__}",
        "device": torch_device_name(),
        "matrix_side": side,
        "multiply_adds": None,
    }
    return step, multiply, facts


def describe(options: argparse.Namespace, results: list[Any]) -> str:
    found = [result for _, result in results if "error" not in result]
    versions = ", ".join(dict.fromkeys(r["versions"] for r in found))
    devices = ", ".join(dict.fromkeys(r["device"] for r in found))
    return (
        f"NL-{options.variant.upper()} R{options.depth}, batch {options.batch} of "
        f"{FRAMES}×{SIDE}×{SIDE}, {options.dtype}{', XLA' if options.jit else ''}; "
        f"{devices}; {versions}; medians of {options.rounds} × {options.repeats}"
    )


def name(case: dict[str, Any]) -> str:
    network = "PySlowFast" if case["peer"] else "keras_nonlocal"
    return ", ".join(filter(None, (network, case["configuration"])))


def row(case: dict[str, Any], result: dict[str, Any]) -> str:
    start = f"| {name(case)} | {case['step']} |"
    if "error" in result:
        return f"{start} failed: {result['error']} | | | |"
    passes = 3 if case["step"] == "training" else 1
    share = ""
    if result["multiply_adds"] is not None and result["peak"]:
        rate = passes * result["multiply_adds"] * case["batch"] / result["median"]
        share = f"{rate / result['peak']:.0%}"
    return (
        f"{start} {1e3 * result['median']:.0f} | {1e3 * result['least']:.0f} – "
        f"{1e3 * result['greatest']:.0f} | {case['batch'] / result['median']:.2f} | "
        f"{share} |"
    )


def print_ratios(step: str, results: list[Any]) -> None:
    """The best configuration of the peer, and the former ones of ours, over ours."""
    medians = {
        name(case): result["median"]
        for case, result in results
        if case["step"] == step and "error" not in result
    }
    own = medians.pop("keras_nonlocal", None)
    peers = [value for key, value in medians.items() if key.startswith("PySlowFast")]
    others = {key: value for key, value in medians.items() if value not in peers}
    if peers:
        others["the best of PySlowFast"] = min(peers)
    for title, seconds in others.items() if own else ():
        print(f"- {step}: {seconds / own:.2f}× as fast as {title}")


if __name__ == "__main__":
    main()
