"""The model class of the builders: plain Keras that also trains on replicas."""

# Importing Keras imports the modules that register classes, and these must not meet a
# half-imported one.
import keras as _keras  # noqa: F401

from keras_nonlocal.replicas.model import ReplicatedModel

__all__ = ["ReplicatedModel"]
