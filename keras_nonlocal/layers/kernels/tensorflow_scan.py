"""A TensorFlow loop whose results need not have the shapes of its state."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def scan(
    f: Callable[[Any, tuple[tf.Tensor, ...]], tuple[Any, tuple[tf.Tensor, ...]]],
    carry: Any,
    xs: tuple[tf.Tensor, ...],
    shapes: tuple[tuple[int | None, ...], ...],
) -> tuple[Any, tuple[tf.Tensor, ...]]:
    """`keras.ops.scan` for results whose shapes differ from that of the carried state.

    Steps run one after the other, so the loop needs the memory of one step.

    Args:
        f: Function of the state and one element of each of `xs`. It returns the next
            state and the results, which have the dtype of the first element.
        carry: The initial state, a structure of tensors.
        xs: Tensors `(steps, …)`. There is at least one step.
        shapes: Shapes of the results of a step. Sizes may be `None`.

    Returns:
        The final state and the results, each `(steps, *shape)`.
    """
    static = xs[0].shape[0]
    steps = tf.shape(xs[0])[0] if static is None else static
    # LiteRT needs the shape of the elements of a tensor array in advance.
    arrays = tuple(
        tf.TensorArray(xs[0].dtype, size=steps, element_shape=shape) for shape in shapes
    )

    def step(index: tf.Tensor, carry: Any, arrays: Any) -> tuple[Any, ...]:
        carry, results = f(carry, tuple(tf.gather(x, index) for x in xs))
        written = zip(arrays, results, strict=True)
        return index + 1, carry, tuple(a.write(index, x) for a, x in written)

    _, carry, arrays = tf.while_loop(
        lambda index, *_: index < steps,
        step,
        (0, carry, arrays),
        parallel_iterations=1,
        # XLA keeps what the gradients of a loop may need in lists of this size.
        maximum_iterations=steps,
    )
    stacked = tuple(array.stack() for array in arrays)
    for result, shape in zip(stacked, shapes, strict=True):
        result.set_shape((static, *shape))
    return carry, stacked
