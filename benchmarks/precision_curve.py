"""The loss of the same training in float32 and in bfloat16, step by step.

    python benchmarks/precision_curve.py
    python benchmarks/precision_curve.py --steps 400 --seeds 5

A small NL-I3D learns which of ten handwritten digits crosses a clip. For each seed,
both trainings begin with the same weights and see the same clips. Seeds tell how far
two trainings differ in any case.
"""

import argparse
import os
import platform
from collections.abc import Iterator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np

import keras_nonlocal
from keras_nonlocal.experiments.digits import Part, read_labeled_digits

FRAMES, SIZE, SCALE = 4, 32, 2
TYPES = ("float32", "mixed_bfloat16")
TEST_CLIPS = 200


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--width", type=int, default=16)
    options = parser.parse_args()
    found = {
        dtype: [trained(dtype, seed, options) for seed in range(options.seeds)]
        for dtype in TYPES
    }
    losses = {name: np.array([one[0] for one in runs]) for name, runs in found.items()}
    print(
        f"NL-I3D R50 of width {options.width}, 5 blocks, {FRAMES}×{SIZE}×{SIZE}, batch "
        f"{options.batch}, {options.seeds} seeds; Keras {keras.__version__} on "
        f"{keras.backend.backend()}, {platform.machine()}\n"
    )
    print("| steps | loss, float32 | of the seeds | loss, bfloat16 | of the seeds |")
    print("|---|---:|---:|---:|---:|")
    for steps in np.array_split(np.arange(options.steps), min(10, options.steps)):
        cells = [f"{steps[0] + 1}–{steps[-1] + 1}"]
        for dtype in TYPES:
            means = losses[dtype][:, steps].mean(axis=1)
            cells += [f"{means.mean():.3f}", f"{means.min():.3f} – {means.max():.3f}"]
        print(f"| {' | '.join(cells)} |")
    print()
    for dtype, runs in found.items():
        right = [accuracy for _, accuracy in runs]
        print(
            f"- {dtype}: {np.mean(right):.3f} of {TEST_CLIPS} test clips are right "
            f"({min(right):.3f} – {max(right):.3f})"
        )


def trained(
    dtype: str, seed: int, options: argparse.Namespace
) -> tuple[list[float], float]:
    """Returns the loss of each step, and the accuracy on test clips."""
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(dtype)
    model = keras_nonlocal.NLResNet50I3D(
        weights=None,
        input_shape=(FRAMES, SIZE, SIZE, 3),
        classes=10,
        width=options.width,
        dropout_rate=0,
    )
    # Blocks begin as identities; here, all of them take part from the first step.
    for layer in model.layers:
        if isinstance(layer, keras_nonlocal.layers.NonLocalBlock):
            layer.norm.gamma.assign(keras.ops.ones_like(layer.norm.gamma))
    model.compile(
        keras.optimizers.Adam(1e-3),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    losses = []
    for clips, labels in batches("training", seed, options.batch, options.steps):
        losses.append(float(model.train_on_batch(clips, labels)[0]))
    clips, labels = next(batches("test", 0, TEST_CLIPS, 1))
    return losses, float(model.evaluate(clips, labels, verbose=0)[1])


def batches(
    part: Part, seed: int, size: int, steps: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields clips of digits that cross them in a straight line, and the digits."""
    digits, labels = read_labeled_digits(part)
    rng = np.random.default_rng(seed)
    side = digits.shape[1] * SCALE
    for _ in range(steps):
        chosen = rng.integers(len(digits), size=size)
        clips = rng.uniform(0, 0.3, (size, FRAMES, SIZE, SIZE, 3)).astype("float32")
        ends = rng.uniform(0, SIZE - side, (size, 2, 2))
        colors = rng.uniform(0.5, 1, (size, 3))
        for clip, digit, (start, end), color in zip(
            clips, digits[chosen], ends, colors, strict=True
        ):
            shape = np.kron(digit, np.ones((SCALE, SCALE)))[..., None] * color
            for time, frame in zip(np.linspace(0, 1, FRAMES), clip, strict=True):
                top, left = np.int64(start + (end - start) * time)
                frame[top : top + side, left : left + side] += shape
        yield clips, labels[chosen]


if __name__ == "__main__":
    main()
