"""Facts about the training of a model for clips, which are saved with the model."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from keras_nonlocal.arguments import check_positive_integer, check_positive_number
from keras_nonlocal.weights.normalization import PixelNormalization


@dataclass(frozen=True)
class ClipInfo:
    """Facts about the training of a model, which are saved in its `.keras` file.

    Models that a builder of this package returns, and every functional
    `keras_nonlocal.training.ReplicatedModel`, have it as the attribute `clip_info`.
    `fit` fills it in from a dataset of `keras_nonlocal.data`. For other data, assign
    it. Functions that score videos take their defaults from it. A copy by
    `keras.models.clone_model` does not have it.

    Args:
        class_names: Names of the classes, in the order of the scores. A model with one
            sigmoid unit has two: the first for scores near 0, and the second for scores
            near 1. Defaults to `None`, unknown.
        num_frames: Number of frames per clip. Defaults to `None`, unknown.
        frame_stride: Distance between two frames of a clip, in frames. Defaults to
            `None`, unknown.
        target_fps: Frames per second at which `frame_stride` counts. Defaults to
            `None`, the frame rate of each file.
        normalization: Normalization of the pixels before the model, for a model that
            does not normalize them itself: a
            `keras_nonlocal.weights.PixelNormalization`. Defaults to `None`, unknown.

    Raises:
        TypeError: If an argument has a type that is not listed above.
        ValueError: If a number is not positive, or a class name is not unique.

    Example:

    >>> model = keras_nonlocal.NLResNet50C2D(
    ...     input_shape=(4, 32, 32, 3), classes=2, width=4)
    >>> model.clip_info = keras_nonlocal.models.ClipInfo(
    ...     class_names=("clap", "wave"), frame_stride=4)
    >>> model.save("gestures.keras")
    >>> keras.saving.load_model("gestures.keras").clip_info.class_names
    ('clap', 'wave')
    """

    class_names: tuple[str, ...] | None = None
    num_frames: int | None = None
    frame_stride: int | None = None
    target_fps: float | None = None
    normalization: PixelNormalization | None = None

    def __post_init__(self) -> None:
        if self.class_names is not None:
            names = _checked_class_names(self.class_names)
            object.__setattr__(self, "class_names", names)
        for name in ("num_frames", "frame_stride"):
            value = getattr(self, name)
            if value is not None:
                check_positive_integer(name, value)
                object.__setattr__(self, name, int(value))
        if self.target_fps is not None:
            check_positive_number("target_fps", self.target_fps)
            object.__setattr__(self, "target_fps", float(self.target_fps))
        if not isinstance(self.normalization, PixelNormalization | None):
            raise TypeError(
                "`normalization` must be a `keras_nonlocal.weights.PixelNormalization`."
                f" Received: normalization={self.normalization!r}"
            )

    def trained_on(self, clips: "ClipInfo", num_outputs: int | None) -> "ClipInfo":
        """Returns the facts about the model once it is trained on other clips.

        Args:
            clips: Facts about these clips.
            num_outputs: Number of the model's scores, or `None` if it has no scores.
                Class names that do not fit it belong to the labels alone and are not
                used.
        """
        names = clips.class_names
        count = 0 if names is None else len(names)
        fits = count == num_outputs or (count == 2 and num_outputs == 1)
        return replace(
            clips,
            class_names=names if fits else self.class_names,
            normalization=self.normalization,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor in JSON types."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ClipInfo":
        """Creates an object from the result of `get_config`."""
        config = dict(config)
        if config.get("normalization") is not None:
            values = dict(config["normalization"])
            config["normalization"] = PixelNormalization(
                tuple(values.pop("mean")), tuple(values.pop("std")), **values
            )
        return cls(**config)


def _checked_class_names(names: Iterable[str]) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(
            "`class_names` must be a sequence of strings. "
            f"Received: class_names={names!r}"
        )
    names = tuple(names)
    if not names or len(set(names)) < len(names):
        raise ValueError(
            "`class_names` must hold a different name for each class. "
            f"Received: class_names={names}"
        )
    return names
