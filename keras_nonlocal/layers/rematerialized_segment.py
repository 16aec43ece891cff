"""A part of a network that runs twice in training."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class RematerializedSegment(keras.layers.Layer):
    """A part of a network whose activations are computed again for the gradients.

    Args:
        segment: The functional `keras.Model` to run, of one input and one output.
        **kwargs: `name` and other arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: What `segment` takes.
        training: Whether to run in training mode, in which alone memory is saved.

    Input shape:
        That of `segment`.

    Output shape:
        That of `segment`.
    """

    def __init__(self, segment: keras.Model, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.segment = segment
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Runs the segment."""
        if not training:
            return self.segment(inputs, training=training)
        return keras.remat(lambda x: self.segment(x, training=True))(inputs)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """Shape and dtype of what a call returns."""
        return self.segment.compute_output_spec(inputs)

    def get_config(self) -> dict[str, Any]:
        """All arguments of the constructor."""
        segment = keras.saving.serialize_keras_object(self.segment)
        return {**super().get_config(), "segment": segment}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "RematerializedSegment":
        """The layer of a configuration."""
        segment = keras.saving.deserialize_keras_object(config["segment"])
        return cls(**{**config, "segment": segment})
