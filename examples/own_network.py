"""Non-local blocks in your own networks for signals and images.

python examples/own_network.py
KERAS_BACKEND=jax python examples/own_network.py

Each input contains three marks at random places: a strong, a medium and a weak one. The
task is to decide whether the strong and the weak mark are of the same kind, which no
window of a convolution covers and no pooling preserves. The same small network is
trained without and with a block.
"""

import argparse

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

import keras
import numpy as np
from keras import layers

from keras_nonlocal.layers import NonLocalBlock

CONVOLUTION = {1: layers.Conv1D, 2: layers.Conv2D}
POOLING = {1: layers.GlobalMaxPooling1D, 2: layers.GlobalMaxPooling2D}
KINDS = 3
STRENGTHS = (3.0, 2.0, 1.0)
# XLA makes small networks slower on CPUs, but JAX always uses it.
XLA = keras.backend.backend() == "jax"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    print("| input | block | accuracy on unseen ones |\n|---|---|---:|")
    for rank, side, length in ((1, 48, 5), (2, 12, 3)):
        x, y = three_marks(options.samples, rank, side, length)
        split = options.samples * 4 // 5
        # The block's default initializer is meant for trained networks.
        for block in (None, NonLocalBlock(kernel_initializer="glorot_uniform")):
            model = network(rank, length, block)
            model.compile(
                keras.optimizers.Adam(3e-3),
                "binary_crossentropy",
                metrics=["accuracy"],
                jit_compile=XLA,
            )
            model.fit(x[:split], y[:split], 64, options.epochs, verbose=0)
            _, accuracy = model.evaluate(x[split:], y[split:], verbose=0)
            kind = "signal" if rank == 1 else "image"
            name = "none" if block is None else block.mode
            print(f"| {kind} | {name} | {accuracy:.3f} |")


def network(rank: int, length: int, block: NonLocalBlock | None) -> keras.Model:
    """Returns a network of convolutions and an optional block, for any input size."""
    inputs = keras.Input((*(None,) * rank, 1))
    x = inputs
    for filters in (16, 32):
        x = CONVOLUTION[rank](filters, length, padding="same", activation="relu")(x)
    if block is not None:
        x = block(x)
    x = CONVOLUTION[rank](32, 1, activation="relu")(x)
    x = POOLING[rank]()(x)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


def three_marks(
    count: int, rank: int, side: int, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns inputs `(count, side, …, 1)` and whether two marks are of the same kind.

    In both cases, the input contains both kinds of marks.
    """
    rng = np.random.default_rng(0)
    shapes = rng.normal(size=(KINDS, *(length,) * rank))
    x = rng.normal(scale=0.05, size=(count, *(side,) * rank, 1)).astype("float32")
    y = rng.integers(2, size=count)
    for sample, is_same in zip(x, y, strict=True):
        strong, middling = rng.choice(KINDS, 2, replace=False)
        weak = strong if is_same else middling
        thirds = rng.permutation(3) * (side // 3)
        marks = zip((strong, middling, weak), STRENGTHS, thirds, strict=True)
        for kind, strength, begin in marks:
            place = [begin + rng.integers(side // 3 - length + 1)]
            place += [rng.integers(side - length + 1) for _ in range(rank - 1)]
            window = tuple(slice(start, start + length) for start in place)
            sample[(*window, 0)] += strength * shapes[kind]
    return x, y.astype("float32")


if __name__ == "__main__":
    main()
