"""Compares routes of the non-local block in turns, in one process.

Where other programs share the processors, times of separate runs do not compare. Here,
each round runs one step of every route, and the speeds are medians of the rounds'
ratios to the first route, in seconds and in seconds of the processors.

    python benchmarks/nonlocal_routes.py --mode gaussian naive auto:472 chunked

A number behind a route is the block's `memory_limit` in MB. Sizes are those of
`nonlocal_block.py`.
"""

import argparse
import statistics
import time
from collections.abc import Callable

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

from nonlocal_block import MODES, STEPS


def main() -> None:
    arguments = parse_arguments()
    steps = [make_step(route, arguments) for route in arguments.routes]
    for step in steps:
        step()  # compiles
    seconds: list[list[float]] = [[] for _ in steps]
    processor: list[list[float]] = [[] for _ in steps]
    for number in range(arguments.rounds):
        order = list(range(len(steps)))
        for index in order if number % 2 else reversed(order):
            start, processor_start = time.perf_counter(), time.process_time()
            steps[index]()
            seconds[index].append(time.perf_counter() - start)
            processor[index].append(time.process_time() - processor_start)
    print("| mode | route | seconds | speed | speed by processor time |")
    print("|---|---|---:|---:|---:|")
    for index, route in enumerate(arguments.routes):
        print(
            f"| {arguments.mode} | {route} | {statistics.median(seconds[index]):.3f} "
            f"| {ratio(seconds[0], seconds[index]):.2f}× "
            f"| {ratio(processor[0], processor[index]):.2f}× |"
        )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("routes", nargs="+", metavar="ROUTE[:MB]")
    parser.add_argument("--mode", choices=MODES, default="embedded_gaussian")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jit", action="store_true", help="XLA with TensorFlow")
    return parser.parse_args()


def make_step(route: str, arguments: argparse.Namespace) -> Callable[[], None]:
    import keras

    from keras_nonlocal.layers import NonLocalBlock

    route, _, megabytes = route.partition(":")
    limit = {"memory_limit": int(float(megabytes) * 1e6)} if megabytes else {}
    block = NonLocalBlock(
        mode=arguments.mode,
        route=route,
        pool_size=2,
        data_format="channels_last",
        **limit,
    )
    shape = (arguments.batch, arguments.frames, 28, 28, 512)
    x, upstream = (keras.random.normal(shape, seed=seed) for seed in (0, 1))
    block.build(shape)
    return STEPS[keras.backend.backend()](block, x, upstream, arguments.jit)


def ratio(first: list[float], other: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(first, other, strict=True))


if __name__ == "__main__":
    main()
