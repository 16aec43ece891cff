"""A TensorFlow loop whose results need not have the shape of its state."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def scan(
    f: Callable[[Any, tuple[tf.Tensor, ...]], tuple[Any, tf.Tensor]],
    carry: Any,
    xs: tuple[tf.Tensor, ...],
    width: int,
) -> tuple[Any, tf.Tensor]:
    """`keras.ops.scan` for results whose shape differs from that of the carried state.

    Steps run one after the other, so the loop needs the memory of one step.

    Args:
        f: Function of the state and one element of each of `xs`. It returns the next
            state and a result, which has the shape of the first element except for the
            last axis.
        carry: The initial state, a structure of tensors.
        xs: Tensors `(steps, …)`.
        width: Size of the last axis of a result.

    Returns:
        The final state and the results, `(steps, …, width)`.
    """
    static = xs[0].shape[0]
    steps = tf.shape(xs[0])[0] if static is None else static
    # LiteRT needs the shape of the elements of a tensor array in advance.
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
