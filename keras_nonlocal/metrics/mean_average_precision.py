"""`MeanAveragePrecision`: the metric for videos with several labels."""

from typing import Any

import keras
from keras import ops

from keras_nonlocal.arguments import check_positive_integer
from keras_nonlocal.tensors import Tensor


@keras.saving.register_keras_serializable(package="keras_nonlocal")
class MeanAveragePrecision(keras.metrics.Metric):
    """Mean over the classes of the average precision of their scores.

    For each class, `AP = Σ_n (R_n - R_{n-1}) P_n` over its distinct scores in
    descending order, where `R_n` and `P_n` are the recall and precision of the videos
    that score at least the n-th score. This equals scikit-learn's
    `average_precision_score`, also for ties. Classes without a positive video are left
    out of the mean.

    The average precision of a data set cannot be computed from those of its batches.
    The metric therefore keeps all scores, up to `capacity` rows. Its value after each
    batch is that of all videos so far, and NaN if a score is NaN. Each replica of a
    `tf.distribute` strategy fills its own rows of the same variables. Keras sums the
    variables over the replicas, and the sum contains the rows of all replicas.

    Args:
        num_classes: Number of classes.
        capacity: Maximum number of videos (or clips) on each replica. It must be at
            least the number in the data set. The metric takes
            `8 * capacity * num_classes` bytes per replica.
        ignore_unlabeled: Whether to leave out videos without any label. The evaluation
            script of Charades (`Charades_v1_classify.m`) ranks them last, which gives
            the same mAP if there are no ties. The script breaks ties by the order of
            the videos. Defaults to `False`.
        name: Defaults to `"mean_average_precision"`.
        dtype: As in `keras.metrics.Metric`.
        ignore_unlabelled: Former name of `ignore_unlabeled`.

    Call arguments:
        y_true: Labels 0 or 1, `(batch, num_classes)`.
        y_pred: Scores, `(batch, num_classes)`.
        sample_weight: Weights, `(batch,)` or `(batch, 1)`.

    Raises:
        TypeError: If an argument is not an integer.
        ValueError: If an argument is not positive, or if there are more than `capacity`
            videos. In compiled functions, the result is NaN in the latter case.

    Example:

    >>> metric = keras_nonlocal.training.MeanAveragePrecision(2, capacity=100)
    >>> metric.update_state([[1, 0], [0, 1]], [[0.9, 0.8], [0.1, 0.2]])
    >>> metric.update_state([[1, 0]], [[0.5, 0.7]])
    >>> round(float(metric.result()), 4)
    0.6667

    References:
        - [Average precision](https://scikit-learn.org/stable/modules/generated/sklearn.metrics.average_precision_score.html)
          of scikit-learn.
        - The mean over classes with positives is that of `get_map` in
          `slowfast/utils/meters.py`, https://github.com/facebookresearch/SlowFast.
        - [Charades](https://arxiv.org/abs/1604.01753), whose evaluation script comes
          with its annotations.
    """

    def __init__(
        self,
        num_classes: int,
        capacity: int,
        *,
        ignore_unlabeled: bool = False,
        name: str = "mean_average_precision",
        dtype: Any = None,
        ignore_unlabelled: bool | None = None,
    ) -> None:
        num_classes = check_positive_integer("num_classes", num_classes)
        capacity = check_positive_integer("capacity", capacity)
        super().__init__(name=name, dtype=dtype)
        self.num_classes = num_classes
        self.capacity = capacity
        # Saved models and callers of earlier versions use this spelling.
        if ignore_unlabelled is not None:
            ignore_unlabeled = ignore_unlabelled
        self.ignore_unlabeled = ignore_unlabeled
        replicas, _ = _replicas()
        rows = (replicas * capacity, num_classes)
        self._scores = self._variable("scores", rows)
        self._labels = self._variable("labels", rows)
        self._weights = self._variable("weights", rows[:1])
        self._counts = self._variable("counts", (replicas,))

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None
    ) -> None:
        labels = self._rows("y_true", y_true)
        scores = self._rows("y_pred", y_pred)
        batch_size = ops.shape(scores)[0]
        weights = ops.ones((batch_size,), "float32")
        if sample_weight is not None:
            weights *= ops.reshape(ops.cast(sample_weight, "float32"), (batch_size,))
        if self.ignore_unlabeled:
            weights *= ops.cast(ops.any(labels > 0, axis=-1), "float32")
        num_replicas, replica = _replicas()
        if num_replicas != self._counts.shape[0]:
            raise ValueError(
                f"`{self.name}` must be created under the scope of the strategy that "
                f"uses it. Received: {num_replicas} replicas instead of "
                f"{self._counts.shape[0]}"
            )
        replica = ops.convert_to_tensor(replica, "int32")
        own = ops.one_hot(replica, self._counts.shape[0], dtype="float32")
        count = ops.cast(ops.sum(self._counts * own), "int32")
        places = count + ops.arange(batch_size, dtype="int32")
        # Rows beyond the capacity would overwrite the last one. They are only counted.
        is_inside = places < self.capacity
        places = ops.minimum(places, self.capacity - 1) + replica * self.capacity
        kept = ops.cast(is_inside, "float32")
        for variable, values in (
            (self._scores, scores),
            (self._labels, labels),
            (self._weights, weights),
        ):
            inside = ops.reshape(kept, (-1, *(1,) * (len(values.shape) - 1)))
            added = ops.scatter(places[:, None], values * inside, variable.shape)
            variable.assign_add(added)
        self._counts.assign_add(ops.cast(batch_size, "float32") * own)

    def result(self) -> Tensor:
        has_room = ops.all(self._counts <= self.capacity)
        values, has_positives = self._class_values()
        mean = ops.sum(values) / ops.maximum(
            ops.sum(ops.cast(has_positives, "float32")), 1.0
        )
        self._check_room()
        return ops.where(has_room, mean, float("nan"))

    def class_results(self) -> Tensor:
        """Returns the average precision of each class.

        It is NaN for a class without a positive video or with a score that is NaN.

        Returns:
            A tensor of shape `(num_classes,)`.
        """
        self._check_room()
        values, has_positives = self._class_values()
        return ops.where(has_positives, values, float("nan"))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_classes": self.num_classes,
            "capacity": self.capacity,
            "ignore_unlabeled": self.ignore_unlabeled,
        }

    def _variable(self, name: str, shape: tuple[int, ...]) -> keras.Variable:
        return self.add_variable(shape, "zeros", dtype="float32", name=name)

    def _rows(self, name: str, values: Tensor) -> Tensor:
        values = ops.cast(values, "float32")
        if len(values.shape) != 2 or values.shape[1] != self.num_classes:
            raise ValueError(
                f"`{name}` must have the shape (batch, {self.num_classes}). "
                f"Received: {name}.shape={tuple(values.shape)}"
            )
        return values

    def _class_values(self) -> tuple[Tensor, Tensor]:
        """Returns the average precisions and whether each class has positives."""
        scores = ops.convert_to_tensor(self._scores)
        order = ops.argsort(-scores, axis=0)
        scores = ops.take_along_axis(scores, order, axis=0)
        weights = ops.take(ops.convert_to_tensor(self._weights), order, axis=0)
        positives = weights * ops.take_along_axis(
            ops.convert_to_tensor(self._labels), order, axis=0
        )
        # Among videos with equal scores, the last one has the counts of all of them.
        is_last = ops.concatenate(
            [scores[1:] != scores[:-1], ops.ones_like(scores[:1], "bool")], axis=0
        )
        hits, videos = (
            _next_where(is_last, ops.cumsum(values, axis=0))
            for values in (positives, weights)
        )
        precision = hits / ops.where(videos > 0, videos, 1.0)
        total = ops.sum(positives, axis=0)
        has_positives = total > 0
        values = ops.sum(positives * precision, axis=0)
        values = values / ops.where(has_positives, total, 1.0)
        is_broken = ops.any(ops.isnan(scores), axis=0)
        return ops.where(is_broken, float("nan"), values), has_positives

    def _check_room(self) -> None:
        largest = ops.max(self._counts)
        if not _is_being_compiled(largest) and largest > self.capacity:
            raise ValueError(
                "`capacity` must be at least the number of videos. "
                f"Received: capacity={self.capacity} and {int(largest)} videos"
            )


def _next_where(condition: Tensor, values: Tensor) -> Tensor:
    """Returns, for each row of increasing values, the next value with the condition."""
    candidates = ops.where(condition, values, float("inf"))
    return ops.associative_scan(ops.minimum, candidates, reverse=True, axis=0)


def _replicas() -> tuple[int, Any]:
    """Returns the number of replicas and, inside one of them, its index."""
    if keras.backend.backend() != "tensorflow":
        return 1, 0
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    index = 0 if context is None else context.replica_id_in_sync_group
    return tf.distribute.get_strategy().num_replicas_in_sync, index


def _is_being_compiled(value: Tensor) -> bool:
    """Whether a tensor is the placeholder of a function that is being compiled."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return not tf.executing_eagerly()
    if keras.backend.backend() == "jax":
        import jax

        return isinstance(value, jax.core.Tracer)
    return False
