"""Encodes class indices as the arrays that losses take, also for mirrored clips.

Labels are encoded one element at a time. A table of one-hot rows would be part of the
graph, and a graph cannot hold the 240,000 × 700 numbers of Kinetics-700.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from keras_nonlocal.arguments import check_choice, is_integer
from keras_nonlocal.data.lists.video_list import Label, VideoList, label_problem

LabelMode = Literal["int", "categorical", "binary", "multi_hot"]

LABEL_MODES = ("int", "categorical", "binary", "multi_hot", None)

FlipLabels = Mapping[str | int, str | int]


@dataclass(frozen=True)
class LabelEncoder:
    """Encodes the label of a video.

    Args:
        mode: `"int"`: a class index `int32`; `"binary"`: 0 or 1 as `float32` of shape
            `(1,)`; `"categorical"` and `"multi_hot"`: `float32` of shape
            `(num_classes,)` with a 1 for each class of the video.
        num_classes: Number of classes. Not needed for `"int"` and `"binary"`.
        partners: Mapping from each class that changes in a mirrored clip to its new
            class.
    """

    mode: LabelMode
    num_classes: int = 0
    partners: Mapping[int, int] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an encoded label."""
        if self.mode == "int":
            return ()
        return (1,) if self.mode == "binary" else (self.num_classes,)

    @property
    def dtype(self) -> str:
        """Type of an encoded label."""
        return "int32" if self.mode == "int" else "float32"

    def encode(self, label: Label, is_mirrored: bool = False) -> np.ndarray:
        """Returns the encoded label of a clip.

        Args:
            label: A class index, or a tuple of them for `"multi_hot"`.
            is_mirrored: Whether the clip is mirrored.
        """
        indices = list(label) if isinstance(label, tuple) else [label]
        if is_mirrored:
            indices = [self.partners.get(index, index) for index in indices]
        if self.mode in ("int", "binary"):
            return np.full(self.shape, indices[0], self.dtype)
        encoded = np.zeros(self.shape, self.dtype)
        encoded[indices] = 1
        return encoded


@dataclass(frozen=True)
class Labeling:
    """The encoding of labels for a model.

    Args:
        mode: The mode of `LabelEncoder`, or `None` for no labels.
        flip_labels: Classes, by name or by index, that are swapped in a mirrored clip.
    """

    mode: LabelMode | None = "int"
    flip_labels: FlipLabels | None = None

    def __post_init__(self) -> None:
        check_choice("label_mode", self.mode, LABEL_MODES)
        if self.flip_labels is not None and not isinstance(self.flip_labels, Mapping):
            raise TypeError(
                "`flip_labels` must be a mapping from classes to classes. "
                f"Received: flip_labels={self.flip_labels!r}"
            )

    def encoder_of_list(self, videos: VideoList) -> LabelEncoder | None:
        """Returns the encoder for the labels of a list, or `None` if it has none."""
        if videos.is_multi_label and self.mode not in (None, "multi_hot"):
            raise ValueError(
                '`label_mode` must be "multi_hot" or None for videos with several '
                f"labels. Received: label_mode={self.mode!r}"
            )
        encoder = self.encoder(videos.class_names)
        if videos.labels is None or encoder is None:
            return None
        if encoder.mode not in ("categorical", "multi_hot"):
            return encoder
        num_classes = videos.num_classes
        if max(encoder.partners, default=-1) >= num_classes:
            raise ValueError(
                f"`flip_labels` must hold indices of the {num_classes} classes. "
                f"Received: flip_labels={self.flip_labels!r}"
            )
        return LabelEncoder(encoder.mode, num_classes, encoder.partners)

    def encoder(self, class_names: Sequence[str] | None) -> LabelEncoder | None:
        """Returns the encoder for labels of these classes, or `None` for no labels."""
        names = tuple(class_names or ())
        partners = _partners(self.flip_labels or {}, class_names)
        if self.mode == "binary" and len(names) != 2:
            raise ValueError(
                '`label_mode="binary"` needs exactly two classes. '
                f"Received: the classes {[*names]}"
            )
        if self.mode is None:
            return None
        return LabelEncoder(self.mode, len(names), partners)


def _partners(
    flip_labels: FlipLabels, class_names: Sequence[str] | None
) -> dict[int, int]:
    """Returns both directions of each pair, as class indices."""
    partners: dict[int, int] = {}
    places = {name: index for index, name in enumerate(class_names or ())}
    num_classes = None if class_names is None else len(class_names)
    for one, other in flip_labels.items():
        pair = [_class_index(value, places, num_classes) for value in (one, other)]
        for source, target in (pair, pair[::-1]):
            if partners.setdefault(source, target) != target:
                raise ValueError(
                    "`flip_labels` must pair each class with one other class. "
                    f"Received: flip_labels={flip_labels!r}"
                )
    return {source: target for source, target in partners.items() if source != target}


def _class_index(value: Any, places: Mapping[str, int], num_classes: int | None) -> int:
    if isinstance(value, str) and value in places:
        return places[value]
    if not is_integer(value) or label_problem(int(value), num_classes):
        raise ValueError(
            "`flip_labels` must hold class names or indices. "
            f"Received: {value!r}, which is not a class"
        )
    return int(value)
