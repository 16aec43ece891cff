"""Softmax attention with most products in bfloat16."""

from keras import ops

from keras_nonlocal.layers.affinity import key_bias, softmax_over_keys, widened
from keras_nonlocal.tensors import Tensor


def softmax_in_bfloat16(
    theta: Tensor, phi: Tensor, g: Tensor, scale: float, key_mask: Tensor = None
) -> Tensor:
    """Computes `softmax(scale · θ φᵀ) g`, with five of six products in bfloat16.

    Processors with units for bfloat16 multiply such matrices several times as fast as
    float32, and sum in float32. The logits are exact: the exponential would multiply
    the weights by their rounding errors. All other products have a rounded result in
    any case. Where only differences between keys matter, values and keys are taken
    relative to their means, so that rounding errors are small beside the differences:
    the gradients of a row's logits, which add up to zero, do not depend on a constant
    in all values, nor does their product with the keys on a constant in all keys.

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

    # The mask is an argument because JAX's custom gradients cannot close over tracers.
    @ops.custom_gradient
    def attend(theta: Tensor, phi: Tensor, g: Tensor, *mask: Tensor) -> Tensor:
        weights = _weights(theta, phi, scale, *mask)
        y = ops.matmul(weights, g)

        def gradients(*args: Tensor, upstream: Tensor = None) -> tuple[Tensor, ...]:
            # PyTorch also passes the inputs, and passes the gradient by name.
            upstream = args[0] if upstream is None else upstream
            upstream = ops.cast(upstream, g.dtype)
            d_logits = _gradient_of_logits(weights, upstream, _centered(g, *mask))
            d_theta = ops.matmul(d_logits, _centered(phi, *mask))
            d_phi = ops.matmul(ops.swapaxes(d_logits, 1, 2), theta)
            d_g = ops.matmul(ops.swapaxes(weights, 1, 2), upstream)
            scaled = (ops.cast(widened(d) * scale, g.dtype) for d in (d_theta, d_phi))
            return (*scaled, d_g, *(ops.zeros_like(m) for m in mask))

        return y, gradients

    if key_mask is None:
        return attend(theta, phi, g)
    return attend(theta, phi, g, ops.cast(key_mask, "float32"))


def _weights(theta: Tensor, phi: Tensor, scale: float, mask: Tensor = None) -> Tensor:
    is_key = None if mask is None else mask > 0
    keys = ops.swapaxes(widened(phi) * scale, 1, 2)
    logits = ops.matmul(widened(theta), keys)
    weights = softmax_over_keys(logits, key_bias(is_key, logits.dtype))
    if is_key is not None:
        weights = ops.where(ops.expand_dims(is_key, 1), weights, 0.0)
    return ops.cast(weights, theta.dtype)


def _gradient_of_logits(weights: Tensor, upstream: Tensor, values: Tensor) -> Tensor:
    slopes = widened(ops.matmul(upstream, ops.swapaxes(values, 1, 2)))
    wide = widened(weights)
    # Rounded, the weights of a row do not add up to 1, or are all 0.
    total = ops.maximum(ops.sum(wide, axis=-1, keepdims=True), 0.5)
    mean = ops.sum(wide * slopes, axis=-1, keepdims=True) / total
    return ops.cast(wide * (slopes - mean), weights.dtype)


def _centered(x: Tensor, mask: Tensor = None) -> Tensor:
    """Returns `x` relative to its mean over the keys that count."""
    wide = widened(x)
    if mask is None:
        mean = ops.mean(wide, axis=1, keepdims=True)
    else:
        mask = ops.expand_dims(mask, -1)
        count = ops.maximum(ops.sum(mask, axis=1, keepdims=True), 1)
        mean = ops.sum(wide * mask, axis=1, keepdims=True) / count
    return ops.cast(wide - mean, x.dtype)
