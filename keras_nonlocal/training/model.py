"""The model class of the builders under its public name."""

from keras_nonlocal.replicas import ReplicatedModel as ReplicatedModel
