"""A block that only averages over all positions: the opponent of non-local blocks."""

import keras
from keras import ops

from keras_nonlocal.tensors import Tensor


class GlobalContext(keras.layers.Layer):
    """Adds the same function of the global average to every position.

    `z_i = x_i + W₂ relu(norm(W₁ mean_j x_j))`, with half the channels in between. This
    is the global context block of Cao et al. with an average in place of its learned
    pooling, or a squeeze-and-excitation block that adds instead of scaling. It starts
    as the identity, as a non-local block does.

    Args:
        kernel_initializer: Initializer of W₁. That of W₂ is zeros.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, *positions, channels)`.

    Output shape:
        The input shape.

    References:
        - [GCNet](https://arxiv.org/abs/1904.11492), section 3.
        - [Squeeze-and-Excitation Networks](https://arxiv.org/abs/1709.01507).
    """

    def __init__(
        self, kernel_initializer: keras.initializers.Initializer, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_initializer = kernel_initializer

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates W₁, the normalization and W₂."""
        channels = input_shape[-1]
        assert channels is not None
        width = channels // 2
        self.squeeze = keras.layers.Dense(
            width, kernel_initializer=self.kernel_initializer, name="squeeze"
        )
        self.norm = keras.layers.LayerNormalization(name="norm")
        self.expand = keras.layers.Dense(
            channels, kernel_initializer="zeros", name="expand"
        )
        self.squeeze.build((None, channels))
        self.norm.build((None, width))
        self.expand.build((None, width))
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Returns `z`; see the class."""
        axes = tuple(range(1, len(inputs.shape) - 1))
        context = ops.mean(inputs, axis=axes)
        context = self.expand(ops.relu(self.norm(self.squeeze(context))))
        return inputs + ops.expand_dims(context, axes)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns the input shape."""
        return input_shape

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of the two products for one clip."""
        return 2 * int(self.squeeze.kernel.shape[0]) * int(self.squeeze.kernel.shape[1])
