"""Measures the peak memory and time of a training step on long clips.

python benchmarks/long_clips.py                    # NL-I3D R50, 128×224×224, batch 1
python benchmarks/long_clips.py --num-frames 64
"""

import argparse
import os
import platform
import time

from keras_nonlocal.tensorflow_start import start_quietly

start_quietly()  # before TensorFlow is imported

import keras
import numpy as np
from memory import peak_of_process

import keras_nonlocal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-frames", type=int, default=128)
    parser.add_argument("--crop-size", type=int, default=224, help="pixels")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--paper-layout", action="store_true", help="strides (2, 2)")
    options = parser.parse_args()
    shape = (options.num_frames, options.crop_size, options.crop_size, 3)
    model = keras_nonlocal.NLResNet50I3D(
        input_shape=shape,
        stem_temporal_strides=(2, 2) if options.paper_layout else (1, 1),
    )
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
        "sparse_categorical_crossentropy",
        jit_compile=False,
    )
    clips = np.random.default_rng(0).normal(size=(1, *shape)).astype("float32")
    before = peak_memory()
    seconds = []
    for _ in range(options.steps):
        start = time.perf_counter()
        loss = model.train_on_batch(clips, np.zeros(1))
        seconds.append(time.perf_counter() - start)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, "
        f"Keras {keras.__version__} on {keras.backend.backend()}"
    )
    print(f"NL-I3D R50, one clip of {'×'.join(map(str, shape[:3]))}, loss {loss:.3f}")
    print(
        f"peak memory {peak_memory():.1f} GiB, before the first step {before:.1f} GiB"
    )
    print(f"seconds per step: {', '.join(f'{value:.1f}' for value in seconds)}")


def peak_memory() -> float:
    """Returns the peak resident size of this process so far, in GiB."""
    return peak_of_process() / 2**30


if __name__ == "__main__":
    main()
