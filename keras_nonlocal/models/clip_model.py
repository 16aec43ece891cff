"""The properties of a model for clips: its input, its output and its training.

Exported files have them too, and need no Keras, which is imported for models alone.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, NamedTuple

from keras_nonlocal.models.clip_info import ClipInfo
from keras_nonlocal.tensors import Tensor
from keras_nonlocal.weights.normalization import KINETICS_NORMALIZATION

Preprocessing = Callable[[Tensor], Tensor]

_USUAL_FRAME_STRIDE = 8

_LOGGER = logging.getLogger("keras_nonlocal")


class ClipShape(NamedTuple):
    """The size of a clip, with `None` for axes of any size.

    Attributes:
        num_frames: Frames per clip.
        height: Height in pixels.
        width: Width in pixels.
    """

    num_frames: int | None
    height: int | None
    width: int | None

    def check_takes(self, num_frames: int, height: int, width: int) -> None:
        """Checks that a model for these clips accepts clips of the given size.

        Raises:
            ValueError: If it does not accept them.
        """
        if self.num_frames not in (None, num_frames):
            raise ValueError(
                "`num_frames` must be that of the model's input; for another one, see "
                "`keras_nonlocal.training.with_num_frames`. "
                f"Received: num_frames={num_frames!r} for clips {tuple(self)}"
            )
        if self.height not in (None, height) or self.width not in (None, width):
            raise ValueError(
                "`crop_size` must be that of the model's input, or the model must be "
                "built with `None` as height and width. "
                f"Received: crop_size={(height, width)} for clips {tuple(self)}"
            )


@dataclass(frozen=True)
class ClipModel:
    """A model that scores clips, and its properties.

    `clip_model` creates it once, and the functions that score videos pass it on.

    Attributes:
        model: The Keras model, or an `ExportedModel`.
        clips: Shape of the model's clips.
        num_outputs: Number of scores per clip.
        activation: Name of the activation that computes the scores, such as `"softmax"`
            or `"sigmoid"`; `"linear"` for logits.
        normalizes_pixels: Whether the model takes RGB pixels from 0 to 255 and
            normalizes them itself.
        info: Facts about the model's training, as far as known.
    """

    model: Any
    clips: ClipShape
    num_outputs: int
    activation: str | None
    normalizes_pixels: bool
    info: ClipInfo

    @property
    def is_binary(self) -> bool:
        """Whether one sigmoid unit decides between two classes."""
        return self.num_outputs == 1 and self.activation == "sigmoid"

    @property
    def num_classes(self) -> int:
        """Number of classes, which is 2 for one sigmoid unit."""
        return 2 if self.is_binary else self.num_outputs

    @property
    def num_frames(self) -> int | None:
        """Number of frames per clip in the input, or else in training."""
        return self.clips.num_frames or self.info.num_frames

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the classes, if they are stored in the model."""
        return self.info.class_names

    def frame_rate(
        self, frame_stride: int | None = None, target_fps: float | None = None
    ) -> tuple[int, float | None]:
        """Returns the frame stride and the frame rate at which it counts.

        Args:
            frame_stride: The user's choice. Defaults to the stride and rate of the
                model's training, or else to 8 frames of the file. A stride that
                differs from that of the training is logged once.
            target_fps: The user's choice. Defaults to the rate of the model's training
                if its stride is used, or else to the frame rate of the file.
        """
        trained = self.info.frame_stride
        if frame_stride not in (None, trained) and trained is not None:
            _warn_of_other_stride(self.model.name, frame_stride, trained)
        if trained is None or frame_stride not in (None, trained):
            return (
                _USUAL_FRAME_STRIDE if frame_stride is None else frame_stride,
                target_fps,
            )
        rate = self.info.target_fps if target_fps is None else target_fps
        return trained, rate

    def preprocessing(self, given: Preprocessing | None = None) -> Preprocessing:
        """Returns the function that maps pixels, from 0 to 255, to the model's input.

        Args:
            given: The user's choice. Defaults to the identity if the model normalizes
                pixels itself, otherwise to `keras_nonlocal.preprocess_input` with the
                normalization of the model's training.
        """
        if given is not None:
            return given
        if self.normalizes_pixels:
            return unchanged
        # Exported files normalize pixels themselves, and need no Keras.
        from keras_nonlocal.models.preprocessing import normalized

        normalization = self.info.normalization or KINETICS_NORMALIZATION
        return partial(normalized, normalization=normalization)


@cache
def _warn_of_other_stride(name: str, given: int, trained: int) -> None:
    _LOGGER.warning(
        "The clips have a frame stride of %d, but the model %r was trained with a "
        "frame stride of %d",
        given,
        name,
        trained,
    )


def clip_model(model: Any) -> ClipModel:
    """Returns the properties of a model that scores RGB clips.

    Args:
        model: A Keras model or an `ExportedModel`. It takes clips
            `(batch, num_frames, height, width, 3)`, channels first if that is Keras's
            image data format, and returns scores `(batch, classes)`.

    Raises:
        ValueError: If the model's inputs or outputs differ, or its class names do not
            fit its scores.
    """
    known = getattr(model, "clip_model", None)
    if isinstance(known, ClipModel):
        return known
    from keras_nonlocal.models import inspection
    from keras_nonlocal.models.output_activation import activation_name

    result = ClipModel(
        model,
        inspection.clip_shape(model),
        inspection.num_outputs(model),
        activation_name(model),
        inspection.normalizes_pixels(model),
        clip_info(model),
    )
    names = result.class_names
    if names and len(names) == 2 and result.num_outputs == 1 and not result.is_binary:
        # A logit, or a unit whose activation is unknown, has no score for each name.
        return replace(result, info=replace(result.info, class_names=None))
    if names and len(names) not in (result.num_outputs, result.num_classes):
        raise ValueError(
            f"`model.clip_info` must name the {result.num_classes} classes of the "
            f"model. Received: {len(names)} class names for the model {model.name!r}"
        )
    return result


def clip_info(model: Any) -> ClipInfo:
    """Returns the facts about the training, which are unknown if none are stored."""
    info = getattr(model, "clip_info", None)
    return info if isinstance(info, ClipInfo) else ClipInfo()


def unchanged(pixels: Tensor) -> Tensor:
    """Preprocessing for a model that normalizes pixels itself."""
    return pixels
