"""A 2D convolution that learns from large maps in a fraction of the time on CPUs.

For a batch of few large maps, the kernel of oneDNN that computes the gradients of the
weights takes several times as long as a product of matrices of the same size.
"""

import keras

from keras_nonlocal.tensors import Tensor

# Smaller maps gain nothing.
_LEAST_POSITIONS = 2048


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class MapConv2D(keras.layers.Conv2D):
    """A `keras.layers.Conv2D` for large maps.

    Arguments, weights, shapes and results are those of `keras.layers.Conv2D`. In a
    training step on TensorFlow without a GPU, the gradients of kernels with an odd size
    and a stride of 1 are products of matrices, one for each element of the kernel.
    """

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Convolves `inputs`, `(batch, height, width, channels)`."""
        if not (training and self._pays(inputs)):
            return super().call(inputs)
        from keras_nonlocal.layers.kernels.tensorflow_convolution import convolve

        outputs = convolve(inputs, self.kernel)
        if self.use_bias:
            outputs = keras.ops.add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def _pays(self, inputs: Tensor) -> bool:
        if (
            keras.backend.backend() != "tensorflow"
            or isinstance(inputs, keras.KerasTensor)
            or self.data_format != "channels_last"
            or self.padding != "same"
            or self.groups != 1
            or (*self.strides, *self.dilation_rate) != (1, 1, 1, 1)
            or any(size % 2 == 0 for size in self.kernel_size)
            or self.kernel_size == (1, 1)
        ):
            return False
        rows, columns = inputs.shape[1:3]
        if (
            rows is not None
            and columns is not None
            and rows * columns < _LEAST_POSITIONS
        ):
            return False
        from keras_nonlocal.layers.kernels.tensorflow_convolution import is_slow_here

        return is_slow_here()
