"""Weighted sums of rows of a table with TensorFlow, in little memory."""

from typing import Any

import tensorflow as tf

# In the gradient: fewer need less memory, and more sums over the whole table.
_TERMS_AT_ONCE = 4


def weighted_rows(
    table: tf.Tensor, places: tf.Tensor, weights: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns Σ `table[place]` · weight, one term after another, and the table.

    TensorFlow would compute all terms at once and, for the gradient, put all of them
    into one tensor: with 16 terms, 32 times the memory of the result. It would also
    add the gradients of several uses of a table in further tensors of its size. If the
    next use takes the table that is returned, they are added one after another.

    Args:
        table: `(rows, channels)`.
        places: Rows of each term, integers, `(terms, …)`.
        weights: Weights of each term, `(terms, …)`, of the dtype of the table.

    Returns:
        `(…, channels)` and `table`.
    """

    @tf.custom_gradient
    def compute(table: Any, weights: Any) -> Any:
        total: Any = None
        for place, weight in zip(tf.unstack(places), tf.unstack(weights), strict=True):
            with tf.control_dependencies([] if total is None else [total]):
                term = tf.gather(table, place) * weight[..., tf.newaxis]
            total = term if total is None else total + term

        def gradients(upstream: Any, of_table: Any) -> Any:
            for first in range(0, places.shape[0], _TERMS_AT_ONCE):
                some = slice(first, first + _TERMS_AT_ONCE)
                with tf.control_dependencies([of_table]):
                    terms = upstream * weights[some, ..., tf.newaxis]
                of_table += tf.math.unsorted_segment_sum(
                    terms, places[some], tf.shape(table)[0]
                )
            # Graphs leave this out where regions are constants, as proposals are.
            of_weights = tf.map_fn(
                lambda place: tf.reduce_sum(tf.gather(table, place) * upstream, -1),
                places,
                fn_output_signature=upstream.dtype,
            )
            return of_table, of_weights

        return (total, tf.identity(table)), gradients

    # In a branch, gradients can refer to its own tensors, and not to those of the graph
    # around the graph around it.
    return compute(tf.identity(table), weights)
