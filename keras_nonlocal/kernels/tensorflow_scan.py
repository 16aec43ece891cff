"""A loop in TensorFlow that writes every result once."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def scan(
    f: Callable[[Any, tuple[tf.Tensor, ...]], tuple[Any, tf.Tensor]],
    carry: Any,
    xs: tuple[tf.Tensor, ...],
    width: int,
) -> tuple[Any, tf.Tensor]:
    """`keras.ops.scan` whose results need not look like what it carries.

    One step is done before the next begins, so that what a step needs is there once.

    Args:
        f: From what is carried and one of each of `xs` to what is carried on and a
            result that differs from the first of `xs` in the last axis only.
        carry: What is carried into the first step, tensors in any structure.
        xs: Tensors `(steps, …)`.
        width: Size of a result's last axis.

    Returns:
        What the last step carries on, and the results, `(steps, …, width)`.
    """
    static = xs[0].shape[0]
    steps = tf.shape(xs[0])[0] if static is None else static
    # LiteRT has arrays of tensors only where their shape is known beforehand.
    shape = (*xs[0].shape[1:-1], width)
    results = tf.TensorArray(xs[0].dtype, size=steps, element_shape=shape)

    def step(index: tf.Tensor, carry: Any, results: tf.TensorArray) -> tuple[Any, ...]:
        carry, result = f(carry, tuple(tf.gather(x, index) for x in xs))
        return index + 1, carry, results.write(index, result)

    _, carry, results = tf.while_loop(
        lambda index, *_: index < steps,
        step,
        (0, carry, results),
        parallel_iterations=1,
    )
    stacked = results.stack()
    stacked.set_shape((static, *shape))
    return carry, stacked
