"""Class indices to the arrays a loss takes, as they are and mirrored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keras_nonlocal.data.arguments import is_integer
from keras_nonlocal.data.sources import VideoList

LABEL_MODES = ("int", "categorical", "binary", "multi_hot", None)

FlipLabels = Mapping[str | int, str | int]


@dataclass(frozen=True)
class LabelTable:
    """The encoded label of each row, for clips as they are and for mirrored ones.

    Args:
        plain: A row per video, or per class.
        mirrored: The same for clips whose left and right changed places.
    """

    plain: np.ndarray
    mirrored: np.ndarray

    @property
    def stacked(self) -> np.ndarray:
        """Both: row `2 * i` is row `i` as it is, `2 * i + 1` is mirrored."""
        both = np.stack([self.plain, self.mirrored], axis=1)
        return both.reshape(-1, *self.plain.shape[1:])


def label_table(
    videos: VideoList, label_mode: str | None, flip_labels: FlipLabels | None = None
) -> LabelTable | None:
    """Encodes the labels of a list of videos.

    Args:
        videos: The videos.
        label_mode: `"int"`, `"categorical"`, `"binary"`, `"multi_hot"` or `None`.
        flip_labels: Which classes change places when a clip is mirrored.
    """
    partners = _partners(flip_labels or {}, videos.class_names)
    if videos.labels is None or label_mode is None:
        return None
    mirrored = replace(videos, labels=_mirrored(videos.labels, partners))
    largest = max(
        (index for part in (videos, mirrored) for row in _rows(part) for index in row),
        default=-1,
    )
    num_classes = max(len(videos.class_names or ()), largest + 1)
    return LabelTable(
        _encoded(videos, label_mode, num_classes),
        _encoded(mirrored, label_mode, num_classes),
    )


def _encoded(videos: VideoList, label_mode: str, num_classes: int) -> np.ndarray:
    if label_mode == "multi_hot":
        encoded = np.zeros((len(videos.paths), num_classes), np.float32)
        for row, labels in zip(encoded, _rows(videos), strict=True):
            row[list(labels)] = 1
        return encoded
    indices = np.array(videos.labels, np.int32)
    if label_mode == "int":
        return indices
    if label_mode == "binary":
        return indices.astype(np.float32)[:, np.newaxis]
    return np.eye(num_classes, dtype=np.float32)[indices]


def _rows(videos: VideoList) -> list[tuple[int, ...]]:
    return [
        label if isinstance(label, tuple) else (label,) for label in videos.labels or ()
    ]


def _mirrored(
    labels: Sequence[int | tuple[int, ...]], partners: Mapping[int, int]
) -> tuple[int | tuple[int, ...], ...]:
    return tuple(
        tuple(partners.get(index, index) for index in label)
        if isinstance(label, tuple)
        else partners.get(label, label)
        for label in labels
    )


def _partners(
    flip_labels: FlipLabels, class_names: Sequence[str] | None
) -> dict[int, int]:
    """Returns both directions of each pair, as class indices."""
    partners: dict[int, int] = {}
    if not isinstance(flip_labels, Mapping):
        raise TypeError(
            "`flip_labels` must be a mapping from classes to classes. "
            f"Received: flip_labels={flip_labels!r}"
        )
    for one, other in flip_labels.items():
        pair = [_class_index(name, class_names) for name in (one, other)]
        for source, target in (pair, pair[::-1]):
            if partners.setdefault(source, target) != target:
                raise ValueError(
                    "`flip_labels` must pair each class with one other class. "
                    f"Received: flip_labels={flip_labels!r}"
                )
    return partners


def _class_index(value: Any, class_names: Sequence[str] | None) -> int:
    if isinstance(value, str) and value in (class_names or ()):
        return [*(class_names or ())].index(value)
    num_classes = len(class_names) if class_names is not None else float("inf")
    if not is_integer(value) or not 0 <= value < num_classes:
        raise ValueError(
            "`flip_labels` must hold class names or indices. "
            f"Received: {value!r}, which is no class"
        )
    return int(value)
