"""`VideoEvaluation`: scores of labeled videos and the derived metrics."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np

from keras_nonlocal.arguments import counted
from keras_nonlocal.files import printable
from keras_nonlocal.metrics.mean_average_precision import MeanAveragePrecision


@dataclass(frozen=True, eq=False)
class VideoEvaluation:
    """Scores of labeled videos and the derived metrics.

    Accuracies and the confusion matrix are defined for videos with one label each, and
    are `None` for videos with several labels. Fractions are between 0 and 1, and NaN if
    there are no videos.

    Args:
        paths: The scored videos, in the order of the list.
        labels: A class index for each video, or a tuple of class indices.
        scores: Scores of shape `(num_videos, classes)`.
        class_names: Names of the classes.
        failures: Mapping from each video that could not be read to the reason. Segments
            are identified by path and seconds.
    """

    paths: tuple[str, ...]
    labels: tuple[int | tuple[int, ...], ...]
    scores: np.ndarray
    class_names: tuple[str, ...]
    failures: dict[str, str]

    @property
    def is_multi_label(self) -> bool:
        """Whether a video may belong to several classes or none."""
        return any(isinstance(label, tuple) for label in self.labels)

    @property
    def top1(self) -> float | None:
        """Fraction of the videos whose class has the highest score."""
        return self.top(1)

    @property
    def top5(self) -> float | None:
        """Fraction of the videos whose class is among the five highest scores."""
        return self.top(5)

    def top(self, k: int) -> float | None:
        """Returns the fraction of the videos whose class is among the `k` best.

        For equal scores, the class with the lower index comes first, as in
        `decode_predictions`.
        """
        if self.is_multi_label:
            return None
        return _share(self._ranks < k)

    @cached_property
    def average_precisions(self) -> np.ndarray:
        """Average precision of each class, `(classes,)`.

        It is NaN for a class without a video or with a score that is NaN.
        """
        if not self.paths:
            return np.full(len(self.class_names), np.nan)
        metric = MeanAveragePrecision(len(self.class_names), len(self.paths))
        metric.update_state(self._label_table, self.scores)
        return keras.ops.convert_to_numpy(metric.class_results()).astype("float64")

    @property
    def mean_average_precision(self) -> float:
        """Mean of `average_precisions` over the classes that have videos.

        It is NaN if a score is NaN, because such scores cannot be ranked.
        """
        has_videos = self._label_table.any(axis=0)
        if self._is_not_a_number.any() or not has_videos.any():
            return math.nan
        return float(self.average_precisions[has_videos].mean())

    @property
    def confusion_matrix(self) -> np.ndarray | None:
        """Numbers of videos, `(classes, classes)`.

        Rows are labels, and columns are the classes with the highest score. Videos with
        scores that are NaN are left out.
        """
        if self.is_multi_label:
            return None
        count = len(self.class_names)
        matrix = np.zeros((count, count), int)
        has_best = ~self._is_not_a_number
        labels, best = np.array(self.labels, int), self.scores.argmax(axis=1)
        np.add.at(matrix, (labels[has_best], best[has_best]), 1)
        return matrix

    @property
    def per_class(self) -> list[dict[str, Any]]:
        """Name, number of videos, top-1, top-5 and average precision of each class."""
        member = self._label_table > 0
        rows = []
        for index, name in enumerate(self.class_names):
            row: dict[str, Any] = {"class": name, "videos": int(member[:, index].sum())}
            if not self.is_multi_label:
                ranks = self._ranks[member[:, index]]
                row |= {"top1": _share(ranks < 1), "top5": _share(ranks < 5)}
            row["average_precision"] = float(self.average_precisions[index])
            rows.append(row)
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Returns the metrics in JSON types, with `None` for NaN."""
        matrix = self.confusion_matrix
        return {
            "videos": len(self.paths),
            "top1": _json(self.top1),
            "top5": _json(self.top5),
            "mean_average_precision": _json(self.mean_average_precision),
            "per_class": [
                {key: _json(value) for key, value in row.items()}
                for row in self.per_class
            ],
            "confusion_matrix": None if matrix is None else matrix.tolist(),
            "failures": dict(self.failures),
        }

    def __str__(self) -> str:
        shares = {
            "top-1": self.top1,
            "top-5": self.top5,
            "mAP": self.mean_average_precision,
        }
        parts = [f"{n} {v:.4f}" for n, v in shares.items() if v is not None]
        lines = [f"{counted(len(self.paths), 'video')}: {', '.join(parts)}"]
        if self._is_not_a_number.any():
            lines.append(f"{self._is_not_a_number.sum()} of them have NaN as scores")
        if self.failures:
            lines.append(f"{counted(len(self.failures), 'video')} could not be read:")
            lines += [f"  {printable(p)}: {why}" for p, why in self.failures.items()]
        return "\n".join(lines)

    @cached_property
    def _is_not_a_number(self) -> np.ndarray:
        """Whether a video has a score that is NaN, `(num_videos,)`."""
        return np.isnan(self.scores).any(axis=1)

    @cached_property
    def _ranks(self) -> np.ndarray:
        """Number of classes that rank before the video's own, `(num_videos,)`.

        NaN ranks last, so it counts as wrong.
        """
        labels = np.array(self.labels, int)
        own = self.scores[np.arange(len(labels)), labels][:, np.newaxis]
        before = np.arange(self.scores.shape[1]) < labels[:, np.newaxis]
        ranks = ((self.scores > own) | ((self.scores == own) & before)).sum(axis=1)
        return np.where(self._is_not_a_number, np.iinfo(int).max, ranks)

    @cached_property
    def _label_table(self) -> np.ndarray:
        table = np.zeros((len(self.paths), len(self.class_names)), "float32")
        for row, label in zip(table, self.labels, strict=True):
            row[[*label] if isinstance(label, tuple) else label] = 1
        return table


def _share(is_right: np.ndarray) -> float:
    return float(is_right.mean()) if len(is_right) else math.nan


def _json(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
