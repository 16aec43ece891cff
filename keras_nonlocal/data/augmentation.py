"""Keras's image layers on clips: the same change in all frames of a clip."""

from typing import Any, Literal

import keras
from keras import ops

from keras_nonlocal.data.arguments import check_choice


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class AugmentClips(keras.layers.Layer):
    """Applies a layer for images to clips, alike to all frames of a clip.

    The frames of a clip are laid side by side in one picture, so that the layer draws
    its random numbers once per clip:

    - `frames="channels"` lays them behind one another, as further channels, for layers
      that move or mix pixels and treat all channels alike: `keras.layers.MixUp`,
      `CutMix`, `RandomRotation`, `RandomZoom`, `RandomTranslation`;
    - `frames="height"` lays them below one another, for layers that change the
      colour of each pixel: `keras.layers.RandomColorJitter`, `RandomBrightness`,
      `RandomHue`, …

    Inside `tf.data.Dataset.map` it needs Keras's TensorFlow backend; in a model it
    works on all backends.

    Args:
        layer: A layer for images of shape `(batch, height, width, channels)`.
        frames: `"channels"` or `"height"`.

    Call arguments:
        inputs: Clips, or a dictionary with the clips under `"images"` and one-hot
            `"labels"`, as `MixUp` and `CutMix` take it.
        training: Whether to augment; passed on to `layer`.

    Input shape:
        `(batch, num_frames, height, width, channels)`.

    Output shape:
        The same.

    Example:

    >>> mix_up = keras_nonlocal.data.AugmentClips(
    ...     keras.layers.MixUp(alpha=0.2, seed=1), "channels")
    >>> clips = np.zeros((2, 8, 32, 32, 3), "float32")
    >>> mixed = mix_up({"images": clips, "labels": np.eye(2)}, training=True)
    >>> mixed["images"].shape
    TensorShape([2, 8, 32, 32, 3])
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        frames: Literal["channels", "height"],
        **kwargs: Any,
    ) -> None:
        check_choice("frames", frames, ("channels", "height"))
        super().__init__(**kwargs)
        self.layer = layer
        self.frames = frames

    def call(self, inputs: Any, training: bool = True) -> Any:
        if not isinstance(inputs, dict):
            folded = self.layer(self._fold(inputs), training=training)
            return self._unfold(folded, inputs)
        folded = inputs | {"images": self._fold(inputs["images"])}
        outputs = self.layer(folded, training=training)
        return outputs | {"images": self._unfold(outputs["images"], inputs["images"])}

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "layer": keras.saving.serialize_keras_object(self.layer),
            "frames": self.frames,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AugmentClips":
        layer = keras.saving.deserialize_keras_object(config.pop("layer"))
        return cls(layer=layer, **config)

    def _fold(self, clips: Any) -> Any:
        _, num_frames, height, width, channels = clips.shape
        if self.frames == "height":
            return ops.reshape(clips, (-1, num_frames * height, width, channels))
        stacked = ops.transpose(clips, (0, 2, 3, 1, 4))
        return ops.reshape(stacked, (-1, height, width, num_frames * channels))

    def _unfold(self, pictures: Any, clips: Any) -> Any:
        _, num_frames, height, width, channels = clips.shape
        if self.frames == "height":
            return ops.reshape(pictures, (-1, num_frames, height, width, channels))
        stacked = ops.reshape(pictures, (-1, height, width, num_frames, channels))
        return ops.transpose(stacked, (0, 3, 1, 2, 4))
