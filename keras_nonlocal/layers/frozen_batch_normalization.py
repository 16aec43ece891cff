"""Batch normalization whose statistics do not change."""

import keras

from keras_nonlocal.tensors import Tensor


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class FrozenBatchNormalization(keras.layers.BatchNormalization):
    """A `keras.layers.BatchNormalization` that always uses its moving statistics.

    It has the same arguments, variables and weights as its base class. In training,
    too, it normalizes with the moving statistics, which never change. γ and β are
    trained unless `trainable=False`. Use it to fine-tune networks on long clips, whose
    batches are too small for statistics.

    Args:
        **kwargs: Arguments of `keras.layers.BatchNormalization`.

    Call arguments:
        inputs: See below.
        training: Has no effect.
        mask: Has no effect.

    Input shape:
        `(batch, …, channels)`, or the channels on another `axis`.

    Output shape:
        The input shape.

    Example:

    >>> layer = keras_nonlocal.layers.FrozenBatchNormalization(epsilon=0.0)
    >>> x = np.array([[1.0, 2.0]], "float32")
    >>> np.asarray(layer(x, training=True)).tolist()
    [[1.0, 2.0]]

    References:
        `MODEL.USE_AFFINE` in `lib/core/config.py` and `AffineNd` in
        `lib/models/model_builder_video.py` of
        https://github.com/facebookresearch/video-nonlocal-net.
    """

    def call(
        self, inputs: Tensor, training: bool | None = None, mask: Tensor = None
    ) -> Tensor:
        """Normalizes with the moving statistics."""
        return super().call(inputs, training=False, mask=mask)
