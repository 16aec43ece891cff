"""Checks of sizes that TensorFlow knows only when a graph runs."""

from collections.abc import Sequence

import tensorflow as tf


def multiple_of(size: tf.Tensor, of: int, message: str) -> tf.Tensor:
    """Returns the scalar `size`, or fails with a message if `of` does not divide it."""
    check = tf.debugging.Assert(tf.equal(size % of, 0), [message, size, of])
    return after([check], size)


def at_least(size: tf.Tensor, least: int, message: str) -> tf.Operation | None:
    """A check that the scalar `size` is not below `least`."""
    enough = tf.greater_equal(size, least)
    return tf.debugging.Assert(enough, [message, size, least])


def after(checks: Sequence[tf.Operation | None], x: tf.Tensor) -> tf.Tensor:
    """Returns `x`, so that what depends on it runs only after the checks.

    Otherwise, an operation that cannot run either may fail first, with its own message.
    """
    with tf.control_dependencies([check for check in checks if check is not None]):
        return tf.identity(x)
