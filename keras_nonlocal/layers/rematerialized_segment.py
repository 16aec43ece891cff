"""A part of a network that is computed again for the gradients."""

from typing import Any

import keras

from keras_nonlocal.tensors import Tensor


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class RematerializedSegment(keras.layers.Layer):
    """A part of a network whose activations are computed twice instead of stored.

    Args:
        segment: The functional `keras.Model` to run, of one input and one output.
        **kwargs: `name` and other arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: The input of `segment`.
        training: Whether to run in training mode. Only then is memory saved.

    Input shape:
        That of `segment`.

    Output shape:
        That of `segment`.
    """

    def __init__(self, segment: keras.Model, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.segment = segment
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Runs the segment."""
        if not training:
            return self.segment(inputs, training=training)
        return keras.remat(lambda x: self.segment(x, training=True))(inputs)

    def compute_output_spec(
        self, inputs: Tensor, training: bool | None = None
    ) -> Tensor:
        """Returns the shape and dtype of the output of a call."""
        return self.segment.compute_output_spec(inputs)

    def get_config(self) -> dict[str, Any]:
        """Returns all arguments of the constructor."""
        segment = keras.saving.serialize_keras_object(self.segment)
        return {**super().get_config(), "segment": segment}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "RematerializedSegment":
        """Creates a layer from the result of `get_config`."""
        segment = keras.saving.deserialize_keras_object(config["segment"])
        return cls(**{**config, "segment": segment})
