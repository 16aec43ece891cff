"""`feature_model`: a network without its classifier."""

from dataclasses import replace

import keras
from keras import layers

from keras_nonlocal.layer_names import AVERAGE_POOL, PREDICTIONS
from keras_nonlocal.models.clip_model import clip_info


def feature_model(model: keras.Model) -> keras.Model:
    """Returns the model from clips to the features that its classifier takes.

    The layers are shared with `model`.

    Args:
        model: Takes clips. One that does not end with the classifier of a builder of
            this package is returned as it is.

    Returns:
        A model with outputs `(batch, channels)`, the mean over frames and positions.
    """
    if not {AVERAGE_POOL, PREDICTIONS} <= {layer.name for layer in model.layers}:
        return model
    # With a score window, the pooling of the head does not reach over all positions.
    maps = model.get_layer(AVERAGE_POOL).input
    features = layers.GlobalAveragePooling3D(name="features")(maps)
    network = type(model)(model.input, features, name=f"{model.name}_features")
    network.clip_info = replace(clip_info(model), class_names=None)
    return network
