"""Softmax attention with most products in bfloat16."""

from typing import Any

import tensorflow as tf

from keras_nonlocal.layers.affinity import key_bias, softmax_over_keys
from keras_nonlocal.tensors import Tensor


def softmax_in_bfloat16(
    theta: Tensor, phi: Tensor, g: Tensor, scale: float, key_mask: Tensor = None
) -> Tensor:
    """Computes `softmax(scale · θ φᵀ) g`, with five of six products in bfloat16.

    Processors with units for bfloat16 multiply such matrices faster than float32, and
    sum in float32. The logits are exact: the exponential would multiply the weights by
    their rounding errors. All other products have a rounded result in any case. Where
    only differences between keys matter, values and keys are taken relative to their
    means, so that rounding errors are small beside the differences: the gradients of a
    row's logits, which add up to zero, do not depend on a constant in all values, nor
    does their product with the keys on a constant in all keys.

    Args:
        theta: `(batch, N, d)` in bfloat16.
        phi: `(batch, M, d)` in bfloat16.
        g: `(batch, M, d_g)` in bfloat16, with zeros for masked keys.
        scale: Factor of the logits.
        key_mask: Booleans, `(batch, M)`: the keys that have weights. Defaults to
            `None`, all keys.

    Returns:
        `(batch, N, d_g)` in bfloat16.
    """

    @tf.custom_gradient
    def attend(theta: Tensor, phi: Tensor, g: Tensor) -> tuple[Tensor, Any]:
        weights = _weights(theta, phi, scale, key_mask)

        def gradients(upstream: Tensor) -> tuple[Tensor, ...]:
            values, keys = _centered(g, key_mask), _centered(phi, key_mask)
            d_logits = _gradient_of_logits(weights, upstream, values)
            d_theta = tf.matmul(d_logits, keys)
            d_phi = tf.matmul(d_logits, theta, transpose_a=True)
            d_g = tf.matmul(weights, upstream, transpose_a=True)
            return _scaled(d_theta, scale), _scaled(d_phi, scale), d_g

        return tf.matmul(weights, g), gradients

    return attend(theta, phi, g)


def _weights(theta: Tensor, phi: Tensor, scale: float, key_mask: Tensor) -> Tensor:
    keys = _wide(phi) * scale
    logits = tf.matmul(_wide(theta), keys, transpose_b=True)
    weights = softmax_over_keys(logits, key_bias(key_mask, logits.dtype))
    if key_mask is not None:
        weights = tf.where(key_mask[:, None], weights, 0.0)
    return tf.cast(weights, theta.dtype)


def _gradient_of_logits(weights: Tensor, upstream: Tensor, values: Tensor) -> Tensor:
    slopes = _wide(tf.matmul(upstream, values, transpose_b=True))
    wide = _wide(weights)
    # Rounded, the weights of a row do not add up to 1, or are all 0.
    total = tf.maximum(tf.reduce_sum(wide, axis=-1, keepdims=True), 0.5)
    mean = tf.reduce_sum(wide * slopes, axis=-1, keepdims=True) / total
    return tf.cast(wide * (slopes - mean), weights.dtype)


def _centered(x: Tensor, key_mask: Tensor) -> Tensor:
    """Returns `x` relative to its mean over the keys that count."""
    wide = _wide(x)
    if key_mask is None:
        mean = tf.reduce_mean(wide, axis=1, keepdims=True)
    else:
        counts = tf.cast(key_mask[..., None], tf.float32)
        total = tf.maximum(tf.reduce_sum(counts, axis=1, keepdims=True), 1)
        mean = tf.reduce_sum(wide * counts, axis=1, keepdims=True) / total
    return tf.cast(wide - mean, x.dtype)


def _scaled(x: Tensor, scale: float) -> Tensor:
    return tf.cast(_wide(x) * scale, x.dtype)


def _wide(x: Tensor) -> Tensor:
    return tf.cast(x, tf.float32)
