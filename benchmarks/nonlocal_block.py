"""Time and peak memory of the non-local block, forward and backward, over N.

Every row is measured in a fresh process: the block's forward pass in training mode and
the gradients with respect to its input and its weights. "Extra memory" is the peak of
the process (of the GPU's allocator, where there is one) above what it holds before the
first step: activations, gradients and workspace, not the input and the weights. It
includes what is needed to compile the step. With `--operation`, the rows are those of
the weighted sum alone, without the four projections, which are the same in every
route.

    KERAS_BACKEND=tensorflow python benchmarks/nonlocal_block.py
    python benchmarks/nonlocal_block.py --operation --frames 16
    KERAS_BACKEND=jax python benchmarks/nonlocal_block.py --modes dot_product
    python benchmarks/nonlocal_block.py --peer ~/SlowFast    # PySlowFast's block, torch

Clips are `frames × side × side` positions, φ and g see them pooled by `--pool`.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

import fresh_process
from memory import MemoryMeter

MODES = ("gaussian", "embedded_gaussian", "dot_product", "concatenation")
ROUTES = {
    "gaussian": ("auto", "naive"),
    "embedded_gaussian": ("auto", "naive"),
    "dot_product": ("auto", "naive"),
    "concatenation": ("auto", "naive"),
}
ALL_ROUTES = {
    "gaussian": ("auto", "naive", "chunked", "fused"),
    "embedded_gaussian": ("auto", "naive", "chunked", "fused"),
    "dot_product": ("auto", "naive", "associative"),
    "concatenation": ("auto", "naive", "sorted"),
}
PEER_MODES = {"embedded_gaussian": "softmax", "dot_product": "dot_product"}
STEPS_BEFORE_TIMING = 1


def main() -> None:
    arguments = parse_arguments()
    if arguments.case is not None:
        print(json.dumps(measure(json.loads(arguments.case))))
        return
    print(describe(arguments))
    print(HEADER)
    results = []
    for case in cases(arguments):
        results.append((case, run(case)))
        print(row(*results[-1]), flush=True)
    print_ratios(results)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument(
        "--all-routes",
        action="store_true",
        help="every route of a mode, not only 'auto' and 'naive'",
    )
    parser.add_argument("--operation", action="store_true", help="the sum alone")
    parser.add_argument("--frames", nargs="+", type=int, default=[1, 2, 4, 8, 16])
    parser.add_argument("--side", type=int, default=28)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--channels", type=int, default=512)
    parser.add_argument("--pool", type=int, default=2, help="spatial; 1 is none")
    parser.add_argument("--dtype", default="float32", help="a Keras dtype policy")
    parser.add_argument("--jit", action="store_true", help="XLA with TensorFlow")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--peer", metavar="PATH", help="a checkout of PySlowFast, measured in torch"
    )
    parser.add_argument("--case", help=argparse.SUPPRESS)
    return parser.parse_args()


def cases(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """One dict per row of the table."""
    names = ("side", "batch", "channels", "pool", "dtype", "jit", "repeats")
    shared = {name: getattr(arguments, name) for name in (*names, "operation")}
    routes = ALL_ROUTES if arguments.all_routes else ROUTES
    rows = []
    for mode in arguments.modes:
        for frames in arguments.frames:
            case = {**shared, "mode": mode, "frames": frames, "peer": None}
            rows += [{**case, "route": route} for route in routes[mode]]
            if arguments.peer and mode in PEER_MODES and not arguments.operation:
                rows.append({**case, "route": "PySlowFast", "peer": arguments.peer})
    return rows


HEADER = """
| mode | route | N | M | seconds | least – greatest | CPU seconds | extra memory, MB |
|---|---|---:|---:|---:|---:|---:|---:|"""


def describe(arguments: argparse.Namespace) -> str:
    return (
        f"backend {os.environ.get('KERAS_BACKEND', 'tensorflow')}, {arguments.dtype}"
        f"{', XLA' if arguments.jit else ''}, {os.cpu_count()} CPU cores, batch "
        f"{arguments.batch}, {arguments.channels} channels, bottleneck "
        f"{arguments.channels // 2}; medians of {arguments.repeats} steps"
    )


def row(case: dict[str, Any], result: dict[str, Any]) -> str:
    if "error" in result:
        numbers = f"failed: {result['error']} | | |"
    else:
        numbers = (
            f"{result['seconds']:.3f} | {result['least']:.3f} – "
            f"{result['greatest']:.3f} | {result['cpu_seconds']:.3f} | "
            f"{result['extra_bytes'] / 1e6:.0f}"
        )
    queries = case["frames"] * case["side"] ** 2
    keys = case["frames"] * (case["side"] // case["pool"]) ** 2
    return f"| {case['mode']} | {case['route']} | {queries} | {keys} | {numbers} |"


def print_ratios(results: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """For each mode, the other routes over "auto" where there are most positions."""
    print()
    for mode in dict.fromkeys(case["mode"] for case, _ in results):
        frames = max(case["frames"] for case, _ in results)
        found = {
            case["route"]: result
            for case, result in results
            if (case["mode"], case["frames"]) == (mode, frames)
            and "error" not in result
        }
        own = found.pop("auto", None)
        for route, result in found.items() if own else ():
            print(
                f"- {mode}: {result['seconds'] / own['seconds']:.2f}× as fast as "
                f"{route}, in {own['extra_bytes'] / result['extra_bytes']:.2f} of its "
                "extra memory"
            )


def run(case: dict[str, Any]) -> dict[str, Any]:
    return fresh_process.run(
        __file__, case, {"KERAS_BACKEND": "torch"} if case["peer"] else {}
    )


def measure(case: dict[str, Any]) -> dict[str, Any]:
    """Runs in the fresh process."""
    # Libraries are loaded and threads started before the memory is looked at.
    small = {**case, "frames": 1, "side": 2 * case["pool"]}
    make_step(small)()
    step = make_step(case)
    memory = MemoryMeter()
    for _ in range(STEPS_BEFORE_TIMING):
        step()
    seconds, cpu_seconds = [], []
    for _ in range(case["repeats"]):
        start, cpu_start = time.perf_counter(), time.process_time()
        step()
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu_start)
    return {
        "seconds": statistics.median(seconds),
        "least": min(seconds),
        "greatest": max(seconds),
        "cpu_seconds": statistics.median(cpu_seconds),
        "extra_bytes": memory.extra_bytes(),
    }


def make_step(case: dict[str, Any]) -> Callable[[], None]:
    """A function that does one step and waits for it."""
    if case["peer"]:
        return peer_step(case)
    import keras

    channels = case["channels"] // 2 if case["operation"] else case["channels"]
    shape = (case["batch"], case["frames"], case["side"], case["side"], channels)
    block = make_operation(case) if case["operation"] else make_block(case)
    x, upstream = (keras.random.normal(shape, seed=seed) for seed in (0, 1))
    block.build(shape)
    return STEPS[keras.backend.backend()](block, x, upstream, case["jit"])


def make_block(case: dict[str, Any]) -> Any:
    from keras_nonlocal.layers import NonLocalBlock

    return NonLocalBlock(
        mode=case["mode"],
        route=case["route"],
        pool_size=case["pool"],
        dtype=case["dtype"],
        data_format="channels_last",
    )


def make_operation(case: dict[str, Any]) -> Any:
    """A layer that does the weighted sum with θ as input, φ and g as its weights."""
    import keras

    from keras_nonlocal.layers import non_local_operation

    class Operation(keras.layers.Layer):
        def build(self, shape: tuple[int, ...]) -> None:
            batch, frames, height, width, channels = shape
            keys = frames * (height // case["pool"]) * (width // case["pool"])
            shapes = [(batch, keys, channels)] * 2
            if case["mode"] == "concatenation":
                shapes.append((2 * channels,))
            self.others = [self.add_weight(s, "random_normal") for s in shapes]

        def call(self, theta: Any, training: bool | None = None) -> Any:
            phi, g, *w_f = self.others
            options = {"mode": case["mode"], "route": case["route"]}
            if w_f:
                options["w_f"] = w_f[0]
            return non_local_operation(theta, phi, g, **options)

    return Operation(dtype=case["dtype"])


def tensorflow_step(block: Any, x: Any, upstream: Any, jit: bool) -> Callable[[], None]:
    import tensorflow as tf

    @tf.function(jit_compile=jit)
    def gradients(x: Any, upstream: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            z = tf.cast(block(x, training=True), x.dtype)
        sources = [x, *(v.value for v in block.trainable_variables)]
        # Without z, TensorFlow leaves out what only z needs.
        return tape.gradient(z, sources, upstream), z

    def step() -> None:
        gradients(x, upstream)[0][0][0, 0, 0, 0, 0].numpy()

    return step


def jax_step(block: Any, x: Any, upstream: Any, jit: bool) -> Callable[[], None]:
    import jax

    trainable = [v.value for v in block.trainable_variables]
    others = [v.value for v in block.non_trainable_variables]

    @jax.jit
    def gradients(trainable: Any, others: Any, x: Any, upstream: Any) -> Any:
        def forward(trainable: Any, x: Any) -> Any:
            z, state = block.stateless_call(trainable, others, x, training=True)
            return z.astype(x.dtype), state

        z, pull_back, state = jax.vjp(forward, trainable, x, has_aux=True)
        return pull_back(upstream), state, z

    def step() -> None:
        jax.block_until_ready(gradients(trainable, others, x, upstream))

    return step


def torch_step(block: Any, x: Any, upstream: Any, jit: bool) -> Callable[[], None]:
    import torch

    x.requires_grad_()

    def step() -> None:
        x.grad = None
        block.zero_grad(set_to_none=True)
        block(x, training=True).to(x.dtype).backward(upstream)
        if x.is_cuda:
            torch.cuda.synchronize()

    return step


STEPS = {"tensorflow": tensorflow_step, "jax": jax_step, "torch": torch_step}


def peer_step(case: dict[str, Any]) -> Callable[[], None]:
    """The same step with PySlowFast's `Nonlocal` module."""
    import pyslowfast
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    block = pyslowfast.build_block(
        case["peer"], case["channels"], case["pool"], PEER_MODES[case["mode"]]
    ).to(device)
    shape = (
        case["batch"],
        case["channels"],
        case["frames"],
        case["side"],
        case["side"],
    )
    x = torch.randn(shape, device=device, requires_grad=True)
    upstream = torch.randn(shape, device=device)
    half = {"mixed_bfloat16": torch.bfloat16, "mixed_float16": torch.float16}
    dtype = half.get(case["dtype"])

    def step() -> None:
        x.grad = None
        block.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=dtype, enabled=dtype is not None):
            z = block(x)
        z.backward(upstream)
        if device == "cuda":
            torch.cuda.synchronize()

    return step


if __name__ == "__main__":
    main()
