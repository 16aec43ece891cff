"""Applies Keras's image layers to clips, with the same change in all frames."""

from typing import Any, Literal

import keras
from keras import ops

from keras_nonlocal.arguments import check_choice
from keras_nonlocal.tensors import Tensor


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class AugmentClips(keras.layers.Layer):
    """Applies an image layer to clips, in the same way to all frames of a clip.

    The layer draws its random numbers once per clip. `frames` determines how it
    receives the frames:

    - `"channels"` stacks them as channels, for layers that move or mix pixels and treat
      all channels alike: `keras.layers.MixUp`, `CutMix`, `RandomRotation`,
      `RandomZoom`, `RandomTranslation`.
    - `"height"` stacks them vertically, for layers that change the color of each pixel:
      `keras.layers.RandomColorJitter`, `RandomBrightness`, `RandomHue`.
    - `"each"` passes them to the layer one after the other, with the random numbers of
      the first frame, for layers that do both or use the whole picture:
      `keras.layers.RandAugment`, `AugMix`, `RandomGaussianBlur`. `RandAugment` draws
      the same operations for all clips of a batch. To make them differ, apply it before
      batching, to batches of one clip.

    In `tf.data.Dataset.map`, the layer requires Keras's TensorFlow backend. In a model,
    it works on all backends.

    Args:
        layer: A layer for images of shape `(batch, height, width, channels)`.
        frames: `"channels"`, `"height"` or `"each"`.

    Call arguments:
        inputs: Clips, or a dictionary with the clips as `"images"` and one-hot
            `"labels"`, as `MixUp` and `CutMix` require.
        training: Whether to augment; passed to `layer`. Defaults to `True`.

    Input shape:
        `(batch, num_frames, height, width, channels)`.

    Output shape:
        That of the input.

    Raises:
        ValueError: If `frames` has another value, or `frames="each"` and `layer` is not
            an image preprocessing layer.

    Example:

    >>> mix_up = keras_nonlocal.data.AugmentClips(
    ...     keras.layers.MixUp(alpha=0.2, seed=1), "channels")
    >>> clips = np.zeros((2, 8, 32, 32, 3), "float32")
    >>> mixed = mix_up({"images": clips, "labels": np.eye(2)}, training=True)
    >>> mixed["images"].shape, mixed["labels"].shape
    (TensorShape([2, 8, 32, 32, 3]), TensorShape([2, 2]))
    >>> augment = keras_nonlocal.data.AugmentClips(
    ...     keras.layers.RandAugment(seed=1), "each")
    >>> train = train.map(lambda x, y: (augment(x, training=True), y))  # doctest: +SKIP
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        frames: Literal["channels", "height", "each"],
        **kwargs: Any,
    ) -> None:
        check_choice("frames", frames, ("channels", "height", "each"))
        if frames == "each" and not hasattr(layer, "get_random_transformation"):
            raise ValueError(
                '`layer` must be a Keras image preprocessing layer if `frames="each"`. '
                f"Received: layer={layer!r}"
            )
        super().__init__(**kwargs)
        self.layer = layer
        self.frames = frames

    def build(self, input_shape: Any) -> None:
        clips = input_shape["images"] if isinstance(input_shape, dict) else input_shape
        if self.frames == "each":
            self.layer.build((clips[0], *clips[2:]))
        self.built = True

    def call(self, inputs: Tensor, training: bool = True) -> Tensor:
        if self.frames == "each":
            return self._call_each(inputs, training)
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

    def _call_each(self, inputs: Tensor, training: bool) -> Tensor:
        if isinstance(inputs, dict):
            clips = inputs["images"]
            first = inputs | {"images": clips[:, 0]}
        else:
            clips, first = inputs, inputs[:, 0]
        drawn = self.layer.get_random_transformation(first, training=training)
        frames = [
            self.layer.transform_images(clips[:, i], drawn, training=training)
            for i in range(clips.shape[1])
        ]
        augmented = ops.stack(frames, axis=1)
        if not isinstance(inputs, dict):
            return augmented
        outputs = inputs | {"images": augmented}
        if "labels" in inputs:
            outputs["labels"] = self.layer.transform_labels(
                inputs["labels"], drawn, training=training
            )
        return outputs

    def _fold(self, clips: Tensor) -> Tensor:
        _, num_frames, height, width, channels = clips.shape
        if self.frames == "height":
            return ops.reshape(clips, (-1, num_frames * height, width, channels))
        stacked = ops.transpose(clips, (0, 2, 3, 1, 4))
        return ops.reshape(stacked, (-1, height, width, num_frames * channels))

    def _unfold(self, pictures: Tensor, clips: Tensor) -> Tensor:
        _, num_frames, height, width, channels = clips.shape
        if self.frames == "height":
            return ops.reshape(pictures, (-1, num_frames, height, width, channels))
        stacked = ops.reshape(pictures, (-1, height, width, num_frames, channels))
        return ops.transpose(stacked, (0, 3, 1, 2, 4))
