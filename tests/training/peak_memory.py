"""Prints by how many MiB one step of training raises the peak of this process.

`python -m tests.training.peak_memory plain|rematerialized`
"""

import json
import sys

import numpy as np

import keras_nonlocal
from benchmarks.memory import peak_of_process
from keras_nonlocal.training import rematerialized

SHAPE = (8, 112, 112, 3)


def main() -> None:
    model = keras_nonlocal.NLResNet50C2D(
        input_shape=SHAPE,
        classes=3,
        width=16,
        nonlocal_blocks=1,
        normalization="frozen_batch",
    )
    if sys.argv[1] == "rematerialized":
        model = rematerialized(model)
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    clips, labels = np.zeros((16, *SHAPE), "float32"), np.zeros(16, int)
    # What tracing needs is in the peak before.
    model.train_on_batch(clips[:1], labels[:1])
    before = peak_of_process()
    model.train_on_batch(clips, labels)
    sys.stdout.write(json.dumps((peak_of_process() - before) / 2**20))


if __name__ == "__main__":
    main()
