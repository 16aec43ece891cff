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
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

import fresh_process
import network_steps
import runtimes
from network_steps import FRAMES, SIDE
from rounds import name, places, pooled

SHARED = ("depth", "variant", "batch", "jit", "repeats")
HEADER = """
| network | dtype | step | milliseconds | least – greatest | clips per second | share |
|---|---|---|---:|---:|---:|---:|"""


def main() -> None:
    options = parse_options()
    if options.case is not None:
        print(json.dumps(measure(json.loads(options.case))))
        return
    cases = [*planned(options)]
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
    for dtype, step in itertools.product(options.dtype, options.steps):
        print_ratios(dtype, step, results)
    print_ratios_in_runtimes(results)


def planned(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yields what is measured, one after the other."""
    for dtype, step in itertools.product(options.dtype, options.steps):
        shared = {name: getattr(options, name) for name in SHARED}
        case = {**shared, "dtype": dtype, "step": step, "peer": None}
        for change in (None, *(former(dtype) if options.former else ())):
            yield {**case, "configuration": change}
        if options.peer:
            kind = "gpu" if has_gpu() else "cpu"
            for configuration in network_steps.PEER_CONFIGURATIONS[kind]:
                yield {**case, "peer": options.peer, "configuration": configuration}
    if options.runtimes and "inference" in options.steps:
        case |= {"step": "inference"}
        for configuration, (_, dtype, _) in runtimes.CONFIGURATIONS.items():
            yield {**case, "dtype": dtype, "configuration": configuration}
        if options.peer:
            case |= {"peer": options.peer}
            for configuration, dtype in runtimes.PEER_CONFIGURATIONS.items():
                yield {**case, "dtype": dtype, "configuration": configuration}


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--variant", choices=("c2d", "i3d"), default="i3d")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument(
        "--dtype", nargs="+", default=["float32"], help="Keras dtype policies"
    )
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


def former(dtype: str) -> tuple[str, ...]:
    import keras

    return network_steps.FORMER.get((keras.backend.backend(), dtype), ())


def has_gpu() -> bool:
    """Whether PyTorch, which runs the peer, has a GPU."""
    code = "import torch; print(torch.cuda.is_available())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() == "True"


def run(case: dict[str, Any]) -> dict[str, Any]:
    without = case["configuration"] == network_steps.NO_ONEDNN
    switch = {"TF_ENABLE_ONEDNN_OPTS": "0"} if without else {}
    result = fresh_process.run(__file__, case, switch)
    print(row(case, pooled([result])), file=sys.stderr, flush=True)
    return result


def measure(case: dict[str, Any]) -> dict[str, Any]:
    """Runs in the new process."""
    make = network_steps.peer_step if case["peer"] else network_steps.own_step
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


def matrix_rate(multiply: Callable[[], None], side: int) -> float:
    """Returns the multiply-adds per second in a product of two square matrices."""
    multiply()
    seconds = []
    for _ in range(7):
        start = time.perf_counter()
        multiply()
        seconds.append(time.perf_counter() - start)
    return side**3 / statistics.median(seconds)


def describe(options: argparse.Namespace, results: list[Any]) -> str:
    return (
        f"NL-{options.variant.upper()} R{options.depth}, batch {options.batch} of "
        f"{FRAMES}×{SIDE}×{SIDE}{', XLA' if options.jit else ''}; "
        f"{places(results)}; medians of {options.rounds} × {options.repeats}"
    )


def row(case: dict[str, Any], result: dict[str, Any]) -> str:
    start = f"| {name(case)} | {case['dtype']} | {case['step']} |"
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


def print_ratios(dtype: str, step: str, results: list[Any]) -> None:
    """The best configuration of the peer, and the former ones of ours, over ours."""
    medians = {
        name(case): result["median"]
        for case, result in results
        if (case["dtype"], case["step"]) == (dtype, step)
        and "error" not in result
        and not runtimes.runs(case)
    }
    own = medians.pop("keras_nonlocal", None)
    peers = [value for key, value in medians.items() if key.startswith("PySlowFast")]
    others = {key: value for key, value in medians.items() if value not in peers}
    if peers:
        others["the best of PySlowFast"] = min(peers)
    for title, seconds in others.items() if own else ():
        print(f"- {step} in {dtype}: {seconds / own:.2f}× as fast as {title}")


def print_ratios_in_runtimes(results: list[Any]) -> None:
    """The peer over ours in the same runtime and precision."""
    ours, peers = (
        {
            case["configuration"]: result["median"]
            for case, result in results
            if runtimes.runs(case)
            and "error" not in result
            and bool(case["peer"]) == is_peer
        }
        for is_peer in (False, True)
    )
    for title in filter(ours.__contains__, peers):
        ratio = peers[title] / ours[title]
        print(f"- inference in {title}: {ratio:.2f}× as fast as PySlowFast in it")


if __name__ == "__main__":
    main()
