"""Batch normalisation whose statistics stand still."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class FrozenBatchNormalization(keras.layers.BatchNormalization):
    """A `keras.layers.BatchNormalization` that is an affine map in training as well.

    It has the variables, the arguments and the weights of its base class. The moving
    statistics are used and never change; γ and β are trained (with `trainable=False`
    they are not, either). This is how networks are fine-tuned on clips so long that
    their batches are too small for statistics.

    Args:
        **kwargs: Those of `keras.layers.BatchNormalization`.

    Call arguments:
        inputs: See below.
        training: Without effect.
        mask: Without effect.

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

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalises with the moving statistics."""
        return super().call(inputs, training=False, mask=mask)
