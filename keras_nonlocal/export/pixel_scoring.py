"""From bytes of pixels to scores: what every exported form of a model computes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_nonlocal.models.clip_shape import ClipShape


@dataclass(frozen=True)
class PixelScoring:
    """A model together with what comes before and after it.

    Args:
        model: From clips to scores `(batch, classes)`.
        clips: The shape of its clips.
        preprocessing: Applied to the pixels before the model; `None`: nothing.
        activation: Applied to what the model puts out; `None`: nothing.
    """

    model: keras.Model
    clips: ClipShape
    preprocessing: Callable[[Any], Any] | None
    activation: Callable[[Any], Any] | None

    @property
    def num_classes(self) -> int:
        """Scores per clip."""
        return self.model.output_shape[-1]

    def __call__(self, clips: Any) -> Any:
        """Scores clips.

        Args:
            clips: RGB pixels from 0 to 255 of any dtype, `(batch, num_frames, height,
                width, 3)`, whatever Keras's image data format is.

        Returns:
            `(batch, classes)` in float32.
        """
        if keras.config.image_data_format() == "channels_first":
            clips = ops.moveaxis(clips, -1, 1)
        if self.preprocessing is not None:
            clips = self.preprocessing(clips)
        scores = self.model(ops.cast(clips, self.model.inputs[0].dtype), training=False)
        scores = ops.cast(scores, "float32")
        return scores if self.activation is None else self.activation(scores)
