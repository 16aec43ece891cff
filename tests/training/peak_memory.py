"""Prints by how many MiB one step of training raises the peak of this process.

`python -m tests.training.peak_memory plain|rematerialized`
"""

import json
import resource
import sys

import numpy as np

import keras_nonlocal
from keras_nonlocal.training import rematerialized

SHAPE = (8, 112, 112, 3)


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


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
    before = peak()
    model.train_on_batch(clips, labels)
    sys.stdout.write(json.dumps(peak() - before))


if __name__ == "__main__":
    main()
