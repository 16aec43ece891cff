"""Prints by how many MiB steps of training of one block raise the peak of the process.

`python -m tests.layers.block_memory '{"mode": "gaussian"}' jit 1 64` prints a list, in
JSON, with a number for each size of the batch. All are of one function whose batch is
open, if the backend has such functions. `plain` in place of `jit` leaves out XLA.
"""

import json
import sys

import keras
import numpy as np

from benchmarks.memory import peak_of_process, reset_peak_of_process
from keras_nonlocal.layers import NonLocalBlock

POSITIONS, CHANNELS = 1024, 8


def main() -> None:
    options, kind, *batches = sys.argv[1:]
    block = NonLocalBlock(**json.loads(options), normalization="frozen_batch")
    block.build((None, POSITIONS, CHANNELS))
    step = STEPS[keras.backend.backend()](block, kind == "jit")
    found = []
    for batch in map(int, batches):
        x = np.random.default_rng(0).normal(size=(batch, POSITIONS, CHANNELS))
        x = keras.ops.convert_to_tensor(x, "float32")
        # What compilers, threads and libraries need is in the peak before.
        wait(step(x[:1]))
        if keras.backend.backend() == "jax":
            step.lower(x).compile()
        reset_peak_of_process()
        before = peak_of_process()
        wait(step(x))
        found.append((peak_of_process() - before) / 2**20)
    sys.stdout.write(json.dumps(found))


def wait(gradients):
    """JAX returns before it has computed."""
    keras.tree.map_structure(keras.ops.convert_to_numpy, gradients)


def tensorflow_step(block, jit):
    import tensorflow as tf

    shape = tf.TensorSpec((None, POSITIONS, CHANNELS))

    @tf.function(input_signature=[shape], jit_compile=jit)
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.square(block(x)))
        return tape.gradient(loss, [x, *(v.value for v in block.trainable_variables)])

    return step


def jax_step(block, jit):
    import jax

    return jax.jit(jax.grad(lambda x: keras.ops.sum(keras.ops.square(block(x)))))


def torch_step(block, jit):
    def step(x):
        x = x.detach().requires_grad_()
        keras.ops.sum(keras.ops.square(block(x))).backward()
        return x.grad

    return step


STEPS = {"tensorflow": tensorflow_step, "jax": jax_step, "torch": torch_step}

if __name__ == "__main__":
    main()
