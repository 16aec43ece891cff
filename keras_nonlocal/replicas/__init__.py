"""The model class of the builders: plain Keras that also trains on replicas."""

from keras_nonlocal.replicas.model import ReplicatedModel

__all__ = ["ReplicatedModel"]
