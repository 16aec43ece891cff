"""Checks of sizes that TensorFlow knows only when a graph runs."""

import tensorflow as tf


def multiple_of(size: tf.Tensor, of: int, message: str) -> tf.Tensor:
    """Returns the scalar `size`, or fails with a message if `of` does not divide it."""
    check = tf.debugging.Assert(tf.equal(size % of, 0), [message, size, of])
    # Operations that depend on the size fail with this message instead of their own.
    with tf.control_dependencies([check]):
        return tf.identity(size)


def at_least(size: tf.Tensor, least: int, message: str) -> tf.Tensor:
    """Returns the scalar `size`, or fails with a message if it is below `least`."""
    enough = tf.greater_equal(size, least)
    check = tf.debugging.Assert(enough, [message, size, least])
    with tf.control_dependencies([check]):
        return tf.identity(size)
