"""The clips that a model takes, and the scores that it gives."""

from typing import Any, NamedTuple

import keras


class ClipShape(NamedTuple):
    """Frames and pixels of a clip; `None` where a model takes any number."""

    num_frames: int | None
    height: int | None
    width: int | None

    def check_takes(self, num_frames: int, height: int, width: int) -> None:
        """Checks that clips of this size go into the model.

        Raises:
            ValueError: If they do not.
        """
        if self.num_frames not in (None, num_frames):
            raise ValueError(
                "`num_frames` must be that of the model's input; for another one, see "
                "`keras_nonlocal.training.with_num_frames`. "
                f"Received: num_frames={num_frames!r} for clips {tuple(self)}"
            )
        if self.height not in (None, height) or self.width not in (None, width):
            raise ValueError(
                "`crop_size` must be that of the model's input, or the model be built "
                "with the height and width `None`. "
                f"Received: crop_size={(height, width)} for clips {tuple(self)}"
            )


def clip_shape(model: keras.Model) -> ClipShape:
    """Returns the shape of the clips of a model with one input.

    Args:
        model: Takes RGB clips `(batch, num_frames, height, width, 3)`, channels first
            if that is Keras's image data format.

    Raises:
        ValueError: If the model takes something else.
    """
    shape: Any = getattr(model, "input_shape", None)
    axis = 0 if keras.config.image_data_format() == "channels_first" else -1
    positions = list(shape)[1:] if _is_one_shape(shape) else []
    if len(positions) != 4 or positions.pop(axis) != 3 or shape[0] is not None:
        raise ValueError(
            "`model` must have one input, any number of clips of RGB pictures "
            "(batch, num_frames, height, width, channels). "
            f"Received: model={getattr(model, 'name', model)!r} with the input shape "
            f"{shape}"
        )
    return ClipShape(*positions)


def num_classes(model: keras.Model) -> int:
    """Returns the number of scores per clip of a model with one output.

    Args:
        model: Puts out scores `(batch, classes)`.

    Raises:
        ValueError: If the model puts out something else.
    """
    shape: Any = getattr(model, "output_shape", None)
    if not _is_one_shape(shape) or len(shape) != 2 or shape[1] is None:
        raise ValueError(
            "`model` must have one output, scores (batch, classes). "
            f"Received: model={getattr(model, 'name', model)!r} with the output shape "
            f"{shape}"
        )
    count: int = shape[1]
    return count


def _is_one_shape(shape: object) -> bool:
    return isinstance(shape, tuple) and not any(
        isinstance(entry, tuple | list) for entry in shape
    )
