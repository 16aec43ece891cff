"""What is known of a data set after its videos were scored."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np

from keras_nonlocal.training.metrics import MeanAveragePrecision


@dataclass(frozen=True, eq=False)
class VideoEvaluation:
    """Scores of labelled videos and the figures that follow from them.

    Accuracies and the confusion matrix are for videos with one label each; `None` for
    videos with several. Shares are between 0 and 1, NaN where there is nothing to
    share.

    Args:
        paths: The videos that were scored, in the order of the list.
        labels: A class index for each, or a tuple of class indices.
        scores: `(num_videos, classes)`.
        class_names: Names of the classes.
        failures: Videos that could not be read, each with the reason; segments by
            their path and seconds.
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
        """Share of the videos whose class has the highest score."""
        return self.top(1)

    @property
    def top5(self) -> float | None:
        """Share of the videos whose class is among the five highest scores."""
        return self.top(5)

    def top(self, k: int) -> float | None:
        """Returns the share of the videos whose class is among the `k` best.

        Where scores are equal, the class with the lower index comes first, as in
        `decode_predictions`.
        """
        if self.is_multi_label:
            return None
        return _share(self._ranks < k)

    @cached_property
    def average_precisions(self) -> np.ndarray:
        """Average precision of each class, `(classes,)`; NaN without a video of it."""
        if not self.paths:
            return np.full(len(self.class_names), np.nan)
        metric = MeanAveragePrecision(len(self.class_names), len(self.paths))
        # What is not a number ranks last.
        scores = np.where(np.isnan(self.scores), -np.inf, self.scores)
        metric.update_state(self._label_table, scores)
        return keras.ops.convert_to_numpy(metric.class_results()).astype("float64")

    @property
    def mean_average_precision(self) -> float:
        """Mean of `average_precisions` over the classes that have videos."""
        values = self.average_precisions
        known = values[~np.isnan(values)]
        return float(known.mean()) if len(known) else math.nan

    @property
    def confusion_matrix(self) -> np.ndarray | None:
        """Numbers of videos, `(classes, classes)`: row the label, column the best.

        Without the videos some of whose scores are NaN.
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
        """For each class: name, number of videos, top-1, top-5, average precision."""
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
        """Returns the figures as JSON has them: `None` for what there is not."""
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
        lines = [f"{len(self.paths)} videos: {', '.join(parts)}"]
        if self._is_not_a_number.any():
            lines.append(f"{self._is_not_a_number.sum()} of them have NaN as scores")
        if self.failures:
            lines.append(f"{len(self.failures)} videos could not be read:")
            lines += [f"  {path}: {why}" for path, why in self.failures.items()]
        return "\n".join(lines)

    @cached_property
    def _is_not_a_number(self) -> np.ndarray:
        """Which videos have scores that are NaN, `(num_videos,)`."""
        return np.isnan(self.scores).any(axis=1)

    @cached_property
    def _ranks(self) -> np.ndarray:
        """Number of classes before the video's own, `(num_videos,)`; NaN is wrong."""
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
