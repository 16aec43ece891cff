"""Convolutions of clips that run as convolutions of pictures.

The kernels of the networks extend over frames or over pictures, not over both, except
in the stem. With the other axes folded into one, they are 2D convolutions, for which
GPUs have better kernels, and CPUs in bfloat16. Neither XLA nor TensorFlow folds by
itself.
"""

from typing import Any

import keras
from keras import ops

from keras_nonlocal.tensors import Tensor

# Inputs of more channels are not copied for each frame of the kernel.
_MAX_STACKED_CHANNELS = 32
_HALF = ("bfloat16", "float16")


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class FoldedConv3D(keras.layers.Conv3D):
    """A `keras.layers.Conv3D` that folds its axes where that is faster.

    Arguments, weights, shapes and results are those of `keras.layers.Conv3D`. On JAX,
    and on TensorFlow in bfloat16, kernels over frames alone or pictures alone, and
    kernels over few channels, run as 2D convolutions. In half precision, kernels that
    are longer than an axis of their inputs are applied in float32, since oneDNN gives
    such kernels wrong gradients. In training on CPUs with TensorFlow, gradients of
    kernels are products of matrices where those are faster. The clip networks of this
    package are made of it.

    Call arguments:
        inputs: `(batch, frames, height, width, channels)`, or with the channels second.
        training: Whether gradients of the kernel will be needed.

    Example:

    >>> layer = keras_nonlocal.layers.FoldedConv3D(4, (3, 1, 1), padding="same")
    >>> tuple(layer(np.zeros((1, 8, 14, 14, 2))).shape)
    (1, 8, 14, 14, 4)
    """

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Convolves `inputs`, and adds the bias."""
        is_training = isinstance(training, bool | int) and bool(training)
        if not (is_training and self._has_own_gradients()):
            return super().call(inputs)
        from keras_nonlocal.layers.kernels.tensorflow_kernel_gradients import (
            convolve_for_training,
        )

        outputs = convolve_for_training(
            self.convolution_op, inputs, self.kernel, self.strides, self.padding
        )
        if self.use_bias:
            outputs = ops.add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Convolves `inputs` with `kernel`."""
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        is_wrong = dtype in _HALF and self._is_longer_than(inputs)
        # Kernels over frames alone are right once they are folded.
        if self._folds(dtype) and (not is_wrong or self.kernel_size[1:] == (1, 1)):
            folded = convolve_folded(inputs, kernel, self.strides, self.padding)
            if folded is not None:
                return folded
        if is_wrong:
            wide = (ops.cast(x, "float32") for x in (inputs, kernel))
            return ops.cast(super().convolution_op(*wide), dtype)
        return super().convolution_op(inputs, kernel)

    def _folds(self, dtype: str) -> bool:
        backend = keras.backend.backend()
        folds = backend == "jax" or (backend == "tensorflow" and dtype == "bfloat16")
        return folds and self._is_plain()

    def _has_own_gradients(self) -> bool:
        is_own = type(self).convolution_op is FoldedConv3D.convolution_op
        return keras.backend.backend() == "tensorflow" and is_own and self._is_plain()

    def _is_plain(self) -> bool:
        return bool(
            self.data_format == "channels_last"
            and self.groups == 1
            and self.dilation_rate == (1, 1, 1)
        )

    def _is_longer_than(self, inputs: Any) -> bool:
        """Whether the kernel is longer than the inputs along an axis of known size."""
        first = self.data_format == "channels_first"
        sizes = inputs.shape[2:] if first else inputs.shape[1:-1]
        lengths = (
            (length - 1) * rate + 1
            for length, rate in zip(self.kernel_size, self.dilation_rate, strict=True)
        )
        return any(
            isinstance(size, int) and length > size
            for length, size in zip(lengths, sizes, strict=True)
        )


def convolve_folded(
    inputs: Tensor, kernel: Tensor, strides: tuple[int, int, int], padding: str
) -> Tensor | None:
    """Convolves clips by a 2D convolution, or returns `None` if there is none.

    Args:
        inputs: Shape `(batch, frames, height, width, channels)`.
        kernel: Shape `(frames, height, width, channels, filters)`.
        strides: Of frames, rows and columns.
        padding: `"valid"` or `"same"`.
    """
    frames, rows, columns, channels, filters = kernel.shape
    if frames == 1 and strides[0] == 1:
        return _on_pictures(inputs, kernel[0], strides[1:], padding)
    if rows == columns == 1 and strides[1:] == (1, 1):
        count, height, width = ops.shape(inputs)[1:4]
        x = ops.reshape(inputs, (-1, count, height * width, channels))
        x = ops.conv(x, kernel[:, 0], strides=(strides[0], 1), padding=padding)
        return ops.reshape(x, (-1, ops.shape(x)[1], height, width, filters))
    is_long = isinstance(ops.shape(inputs)[1], int) and ops.shape(inputs)[1] >= frames
    if padding == "valid" and is_long and frames * channels <= _MAX_STACKED_CHANNELS:
        return _on_pictures(
            _stacked(inputs, frames, strides[0]),
            ops.reshape(
                ops.transpose(kernel, (1, 2, 0, 3, 4)),
                (rows, columns, frames * channels, filters),
            ),
            strides[1:],
            padding,
        )
    return None


def _on_pictures(
    inputs: Tensor, kernel: Tensor, strides: tuple[int, ...], padding: str
) -> Tensor:
    """Convolves each frame as a picture."""
    frames, height, width, channels = ops.shape(inputs)[1:]
    x = ops.reshape(inputs, (-1, height, width, channels))
    x = ops.conv(x, kernel, strides=strides, padding=padding)
    return ops.reshape(x, (-1, frames, *ops.shape(x)[1:]))


def _stacked(inputs: Tensor, frames: int, stride: int) -> Tensor:
    """The channels of the frames that one frame of the result sees, side by side."""
    count = (ops.shape(inputs)[1] - frames) // stride + 1
    last = stride * (count - 1) + 1
    return ops.concatenate(
        [inputs[:, first : first + last : stride] for first in range(frames)], axis=-1
    )
