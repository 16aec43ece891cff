"""`PixelScoring`: from pixels to scores, the computation of every exported model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import keras
from keras import ops

from keras_nonlocal.export.batch_norm_folding import fold_batch_norm as folded
from keras_nonlocal.models.clip_model import ClipModel, ClipShape, clip_model
from keras_nonlocal.models.exported_facts import ExportedFacts
from keras_nonlocal.tensors import Tensor


@dataclass(frozen=True)
class PixelScoring:
    """A model with its preprocessing and its final activation.

    Args:
        model: Takes clips and returns scores `(batch, classes)`.
        clips: The shape of the model's clips.
        preprocessing: Function applied to the pixels before the model.
        activation: Activation applied to the model's outputs, or `None`.
        facts: Facts about the model that are saved in its file.
    """

    model: keras.Model
    clips: ClipShape
    preprocessing: Callable[[Tensor], Tensor]
    activation: Callable[[Tensor], Tensor] | None
    facts: ExportedFacts

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the classes, if known."""
        return self.facts.info.class_names

    @property
    def num_classes(self) -> int:
        """Scores per clip."""
        return self.model.output_shape[-1]

    def __call__(self, clips: Tensor) -> Tensor:
        """Scores clips.

        Args:
            clips: RGB pixels from 0 to 255 of any dtype, `(batch, num_frames, height,
                width, 3)`, whatever Keras's image data format is.

        Returns:
            `(batch, classes)` in float32.
        """
        if keras.config.image_data_format() == "channels_first":
            clips = ops.moveaxis(clips, -1, 1)
        clips = self.preprocessing(clips)
        scores = self.model(ops.cast(clips, self.model.inputs[0].dtype), training=False)
        scores = ops.cast(scores, "float32")
        return scores if self.activation is None else self.activation(scores)


def pixel_scoring(
    model: keras.Model,
    preprocessing: Callable[[Tensor], Tensor] | None,
    activation: str | Callable[[Tensor], Tensor] | None,
    fold_batch_norm: bool,
    class_names: Sequence[str] | None = None,
) -> PixelScoring:
    """Returns the computation to export; see `export_saved_model` for the arguments."""
    own = clip_model(model)
    applied = None if activation is None else _named_activation(activation)
    if applied is not None and own.activation in ("softmax", "sigmoid"):
        raise ValueError(
            "`activation` must be left out for a model whose outputs have one. "
            f"Received: activation={activation!r} for a model that ends in a "
            f"{own.activation}"
        )
    name = own.activation if applied is None else getattr(applied, "__name__", None)
    info = replace(
        own.info,
        class_names=_checked_class_names(own, class_names),
        num_frames=own.num_frames,
    )
    return PixelScoring(
        folded(model) if fold_batch_norm else model,
        own.clips,
        own.preprocessing(preprocessing),
        applied,
        ExportedFacts(name, info),
    )


def _named_activation(
    activation: str | Callable[[Tensor], Tensor],
) -> Callable[[Tensor], Tensor]:
    try:
        found: Callable[[Tensor], Tensor] = keras.activations.get(activation)
    except (ValueError, TypeError) as error:
        raise ValueError(
            "`activation` must be the name of one of Keras's activations, such as "
            f"softmax. Received: activation={activation!r}"
        ) from error
    return found


def _checked_class_names(
    own: ClipModel, class_names: Sequence[str] | None
) -> tuple[str, ...] | None:
    """Returns the given class names, or else those stored in the model."""
    names = own.class_names if class_names is None else class_names
    if names is not None and len(names) not in (own.num_outputs, own.num_classes):
        raise ValueError(
            f"`class_names` must name the {own.num_classes} classes of the model. "
            f"Received: class_names with {len(names)} names"
        )
    return None if names is None else tuple(map(str, names))


def check_backend() -> None:
    """Raises an error if Keras runs on a backend that cannot export."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Models are exported on Keras's TensorFlow backend: set "
            "KERAS_BACKEND=tensorflow and load the model again. "
            f"Received: backend={keras.backend.backend()!r}"
        )
