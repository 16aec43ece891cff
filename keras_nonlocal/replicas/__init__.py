"""The model class of the builders: plain Keras, made to work on replicas."""

from keras_nonlocal.replicas.model import ReplicatedModel

__all__ = ["ReplicatedModel"]
