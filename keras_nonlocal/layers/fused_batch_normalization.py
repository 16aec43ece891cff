"""Batch normalization in a single operation, on backends that have one."""

import keras
from keras import ops

from keras_nonlocal.tensors import Tensor


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """A `keras.layers.BatchNormalization` that is faster in training on TensorFlow.

    Arguments, variables, results and gradients are those of its base class, up to
    rounding. On TensorFlow, one operation computes mean, variance and output in
    training. The layer falls back to its base class on other backends, with a mask, in
    float64, with synchronized statistics and with renormalization.

    Args:
        **kwargs: Arguments of `keras.layers.BatchNormalization`.

    Call arguments:
        inputs: See below.
        training: Whether to use the statistics of the batch and update the moving ones.
        mask: Booleans, `(batch, …)`: the positions from which to compute statistics.

    Input shape:
        `(batch, …, channels)`, or the channels on another `axis`.

    Output shape:
        The input shape.

    Example:

    >>> layer = keras_nonlocal.layers.FusedBatchNormalization(epsilon=0.0)
    >>> x = np.array([[1.0], [3.0]], "float32")
    >>> np.asarray(layer(x, training=True)).tolist()
    [[-1.0], [1.0]]

    References:
        [Batch Normalization](https://arxiv.org/abs/1502.03167).
    """

    def call(
        self, inputs: Tensor, training: bool | None = None, mask: Tensor = None
    ) -> Tensor:
        """Normalizes with the statistics of the batch or with the moving ones."""
        if not (training and self.trainable and mask is None and self._is_fusible()):
            return super().call(inputs, training=training, mask=mask)
        if keras.backend.standardize_dtype(inputs.dtype) == "float64":
            return super().call(inputs, training=training)
        from keras_nonlocal.layers.kernels.tensorflow_batch_norm import (
            normalize_by_batch,
        )

        gamma, beta = ops.cast(self.gamma, "float32"), ops.cast(self.beta, "float32")
        outputs, mean, variance = normalize_by_batch(inputs, gamma, beta, self.epsilon)
        for moving, value in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            old = ops.cast(moving, "float32")
            moving.assign(old * self.momentum + value * (1.0 - self.momentum))
        return ops.cast(outputs, self.compute_dtype)

    def _is_fusible(self) -> bool:
        return (
            keras.backend.backend() == "tensorflow"
            and self.axis in (-1, self.input_spec.ndim - 1)
            and self.scale
            and self.center
            and not self.synchronized
            and not getattr(self, "renorm", False)
        )
