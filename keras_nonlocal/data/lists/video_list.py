"""`VideoList`: checked paths of videos with labels and segments."""

import copy
import itertools
import math
import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from keras_nonlocal import files
from keras_nonlocal.arguments import is_integer
from keras_nonlocal.data.random_streams import Purpose, random_stream

Label = int | tuple[int, ...]


@dataclass(frozen=True)
class VideoList:
    """Paths of videos, with their labels and segments.

    Args:
        paths: Paths of the files. Path objects are converted to strings.
        labels: One label per path: a class index, starting at 0, or a tuple of
            different class indices if a video may belong to several classes or to none.
            Defaults to `None`, no labels.
        class_names: A different name for each class, in the order of the class
            indices. Defaults to `None`, unknown.
        segments: One segment per path: begin and end, in seconds, of the part from
            which to take clips, or `None` for the whole video. Defaults to `None`,
            whole videos.

    Raises:
        ValueError: If the entries do not match, or a label is not a class index.

    Example:

    >>> videos = keras_nonlocal.data.VideoList(
    ...     ("a.mp4", "b.mp4"), labels=(0, 1), class_names=("clap", "wave"))
    >>> videos.select([1]).paths
    ('b.mp4',)
    """

    paths: tuple[str, ...]
    labels: tuple[Label, ...] | None = None
    class_names: tuple[str, ...] | None = None
    segments: tuple[tuple[float, float] | None, ...] | None = None

    def __post_init__(self) -> None:
        self._set("paths", self.paths)
        # A check of the types takes a tenth of the time for long lists.
        if not {*map(type, self.paths)} <= {str}:
            self._set("paths", map(os.fspath, self.paths))
        if self.labels is not None:
            self._set("labels", self.labels)
            if not {*map(type, self.labels)} <= {int}:
                self._set("labels", map(_plain_label, self.labels))
        if self.class_names is not None:
            self._set("class_names", map(str, self.class_names))
        if self.segments is not None:
            self._set("segments", map(_plain_segment, self.segments))
        for name in ("labels", "segments"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.paths):
                raise ValueError(
                    f"`{name}` must have one entry for each of the "
                    f"{len(self.paths)} paths. Received: {len(values)} {name}"
                )
        self._check_class_names()
        self._check_labels()

    @property
    def num_classes(self) -> int:
        """Number of class names, or else of classes with videos.

        Raises:
            ValueError: If there are no class names and a class has no videos.
        """
        if self.class_names is not None:
            return len(self.class_names)
        found = {*self._indices()}
        count = max(found, default=-1) + 1
        if len(found) < count:
            missing = next(index for index in itertools.count() if index not in found)
            raise ValueError(
                "`class_names` must be given if a class has no videos; class indices "
                f"count from 0. Received: class_names=None for labels up to "
                f"{count - 1} without a video of the class {missing}"
            )
        return count

    @property
    def is_multi_label(self) -> bool:
        """Whether a video may belong to several classes or to none."""
        return any(isinstance(label, tuple) for label in self.labels or ())

    def select(self, indices: Sequence[int] | np.ndarray) -> Self:
        """Returns the videos at `indices`, in that order."""

        places = _places(indices)

        def chosen(values: tuple | None) -> tuple | None:
            if values is None:
                return None
            # NumPy takes a quarter of the time for a long list in random order.
            array = np.fromiter(values, object, len(values))
            return tuple(array[places].tolist())

        # Parts of a checked list need no checks, which take a second for long lists.
        part = copy.copy(self)
        for name in ("paths", "labels", "segments"):
            object.__setattr__(part, name, chosen(getattr(self, name)))
        return part

    def existing(self) -> Self:
        """Returns the videos whose files, or folders of frames, exist."""
        is_there = [files.exists(path) for path in self.paths]
        return self.select(np.flatnonzero(is_there))

    def shuffle(self, seed: int) -> Self:
        """Returns the videos in a random order that depends only on `seed`."""
        rng = random_stream(seed, Purpose.LIST)
        return self.select(rng.permutation(len(self.paths)))

    def split(self, validation_split: float) -> tuple[Self, Self]:
        """Splits off the last videos for validation."""
        total = len(self.paths)
        num_training = total - int(validation_split * total)
        return (
            self.select(range(num_training)),
            self.select(range(num_training, total)),
        )

    def with_class_names(self, class_names: Sequence[str]) -> Self:
        """Returns the videos with labels for different class names.

        Args:
            class_names: Names of the classes, in the order of the new class indices.
                Their order may change, and they may include additional classes.

        Raises:
            ValueError: If a video belongs to a class that is not among the names.
        """
        names = tuple(class_names)
        if self.class_names is None or self.labels is None:
            return replace(self, class_names=names)
        places = {name: index for index, name in enumerate(names)}
        used = {self.class_names[index] for index in self._indices()}
        unknown = sorted(used - {*places})
        if unknown:
            raise ValueError(
                "`class_names` must name the class of every video. "
                f"Received: class_names={names} without {unknown[0]!r}"
            )
        moved = {
            index: places[name]
            for index, name in enumerate(self.class_names)
            if name in places
        }
        return replace(self, labels=renumbered(self.labels, moved), class_names=names)

    def _set(self, name: str, values: Iterable[Any]) -> None:
        # A frozen dataclass accepts no ordinary assignment.
        object.__setattr__(self, name, tuple(values))

    def _indices(self) -> Iterable[int]:
        return itertools.chain.from_iterable(
            label if isinstance(label, tuple) else (label,)
            for label in self.labels or ()
        )

    def _check_class_names(self) -> None:
        names = self.class_names or ()
        if len({*names}) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(
                "`class_names` must hold a different name for each class. "
                f"Received: {twice!r} more than once"
            )

    def _check_labels(self) -> None:
        count = None if self.class_names is None else len(self.class_names)
        if self._are_plain_indices(count):
            return
        for place, label in enumerate(self.labels or ()):
            problem = label_problem(label, count)
            if problem:
                raise ValueError(
                    f"`labels` must hold {problem}. Received: {label!r} for "
                    f"{self.paths[place]!r}, at place {place}"
                )

    def _are_plain_indices(self, count: int | None) -> bool:
        """Whether all labels are valid, by a fast check for long lists."""
        labels = self.labels or ()
        if {*map(type, labels)} == {int}:
            return not any(
                label_problem(index, count) for index in (min(labels), max(labels))
            )
        flat = [*self._indices()]
        extremes = (min(flat), max(flat)) if {*map(type, flat)} == {int} else flat
        return not any(label_problem(index, count) for index in extremes) and all(
            not isinstance(label, tuple) or len({*label}) == len(label)
            for label in self.labels or ()
        )


def _places(indices: Iterable[Any]) -> np.ndarray:
    """Returns indices as an array, or raises `TypeError` for other values."""
    if (
        isinstance(indices, np.ndarray)
        and indices.ndim == 1
        and indices.dtype.kind in "iu"
    ):
        return indices
    return np.fromiter(map(operator.index, indices), np.int64)


def label_problem(label: Any, num_classes: int | None) -> str | None:
    """Returns what a label must be, or `None` for a valid label.

    Args:
        label: A class index or a tuple of class indices.
        num_classes: Number of classes, or `None` if unknown.
    """
    if (
        type(label) is int
        and label >= 0
        and (num_classes is None or label < num_classes)
    ):
        return None
    indices = label if isinstance(label, tuple) else (label,)
    if not all(is_integer(index) for index in indices):
        return "class indices, which are integers"
    if any(index < 0 for index in indices):
        return "class indices, which count from 0"
    if num_classes is not None and any(index >= num_classes for index in indices):
        return (
            f"class indices from 0 to {num_classes - 1}, one for each of the "
            f"{num_classes} classes (they count from 0)"
        )
    if len({*indices}) < len(indices):
        return "different class indices for a video, not one number per class"
    return None


def renumbered(
    labels: Sequence[Label], partners: Mapping[int, int]
) -> tuple[Label, ...]:
    """Returns labels with new class indices. Classes without a partner are kept."""
    return tuple(
        tuple(partners.get(index, index) for index in label)
        if isinstance(label, tuple)
        else partners.get(label, label)
        for label in labels
    )


def _plain_label(label: Any) -> Any:
    """Returns Python integers, and leaves other values for the check."""
    if type(label) is int or (type(label) is tuple and {*map(type, label)} <= {int}):
        return label
    if isinstance(label, np.ndarray):
        label = label.tolist()
    if isinstance(label, Iterable) and not isinstance(label, str):
        return tuple(int(x) if is_integer(x) else x for x in label)
    return int(label) if is_integer(label) else label


def _plain_segment(segment: Any) -> tuple[float, float] | None:
    if segment is None:
        return None
    begin, end = (float(time) for time in segment)
    if math.isnan(begin) or math.isnan(end):
        raise ValueError(
            "`segments` must hold a begin and an end in seconds, or None. "
            f"Received: {segment!r}"
        )
    return begin, end
