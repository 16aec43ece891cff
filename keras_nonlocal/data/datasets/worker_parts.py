"""The parts of batches that a worker of `tf.distribute` loads.

A batch is divided among the replicas of all workers before it is loaded, so that
nothing is loaded twice. Each worker has as many parts as there are batches, even if
some have no clips: in the last batch, or because videos cannot be read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_nonlocal.data.datasets.epochs import EpochOrder
from keras_nonlocal.python_calls import numpy_function


@dataclass(frozen=True)
class WorkerPart:
    """Which clips of each batch belong to a worker.

    The replicas have equally many, or the first ones have one more than the others. An
    incomplete batch fills the first replicas.

    Args:
        worker: The worker, starting at 0.
        num_workers: Number of workers.
        num_replicas: Number of replicas of each worker.
        batch_size: Number of clips of a batch, at least one for each replica.
        drop_remainder: Whether an incomplete batch is dropped.
    """

    worker: int
    num_workers: int
    num_replicas: int
    batch_size: int
    drop_remainder: bool = False

    @property
    def sizes(self) -> list[int]:
        """Number of clips of each replica of the worker."""
        return np.diff(self._bounds).tolist()

    @property
    def size(self) -> int:
        """Number of clips of the worker."""
        return int(self._bounds[-1] - self._bounds[0])

    @property
    def _bounds(self) -> np.ndarray:
        """Where its replicas begin in a batch, and where the last one ends."""
        total = self.num_workers * self.num_replicas
        size, larger = divmod(self.batch_size, total)
        first = self.worker * self.num_replicas
        replicas = np.arange(first, first + self.num_replicas + 1)
        return replicas * size + np.minimum(replicas, larger)

    def num_batches(self, num_clips: int) -> int:
        """Returns the number of batches of all workers together."""
        if self.drop_remainder:
            return num_clips // self.batch_size
        return -(-num_clips // self.batch_size)

    def positions(self, num_clips: int) -> np.ndarray:
        """Returns which ones of an epoch's clips belong to the worker, ascending."""
        if self.drop_remainder:
            num_clips -= num_clips % self.batch_size
        positions = np.arange(num_clips)
        in_batch = positions % self.batch_size
        begin, end = self._bounds[[0, -1]]
        return positions[(begin <= in_batch) & (in_batch < end)]


@dataclass(frozen=True)
class PartOrder(EpochOrder):
    """The order of a worker's videos, which are its parts of the batches.

    Args:
        num_videos, seed, shard: As in `EpochOrder`, for the videos of all workers.
        part: The part of the worker.
    """

    part: WorkerPart = WorkerPart(0, 1, 1, 1)

    @property
    def length(self) -> int:
        """Number of videos of this worker in an epoch."""
        return len(self.part.positions(super().length))

    @property
    def num_batches(self) -> int:
        """Number of batches of an epoch."""
        return self.part.num_batches(super().length)

    def turns(self, epoch: int) -> np.ndarray:
        """Returns the indices of the worker's videos, shape `(length,)`."""
        turns = super().turns(epoch)
        return turns[self.part.positions(len(turns))]


def parts_of_batches(
    loaded: Any, part: WorkerPart, num_batches: int, report: Callable[[], np.int64]
) -> Any:
    """Returns a dataset of the parts, one for each replica and batch.

    Args:
        loaded: A dataset of whether a clip could be read, and its element.
        part: The part of the worker.
        num_batches: Number of batches.
        report: Called after the last part is loaded. The result is not used.
    """
    import tensorflow as tf

    as_is = tf.autograph.experimental.do_not_convert
    count = num_batches * part.num_replicas

    def read_ones(is_read: Any, elements: Any) -> Any:
        def select() -> Any:
            return tf.nest.map_structure(
                lambda values: tf.boolean_mask(values, is_read), elements
            )

        return tf.cond(tf.reduce_all(is_read), lambda: elements, select)

    def reported(number: Any, elements: Any) -> Any:
        done = tf.cond(
            tf.equal(number, count - 1),
            lambda: numpy_function(report, [], tf.int64),
            lambda: tf.constant(0, tf.int64),
        )
        with tf.control_dependencies([done]):
            return tf.nest.map_structure(tf.identity, elements)

    parts = loaded.batch(part.size)
    if part.num_replicas > 1:
        parts = parts.rebatch(part.sizes)
    parts = parts.map(as_is(read_ones))
    empty = tf.nest.map_structure(
        lambda spec: tf.zeros([size or 0 for size in spec.shape], spec.dtype),
        parts.element_spec,
    )
    parts = parts.concatenate(tf.data.Dataset.from_tensors(empty).repeat())
    parts = parts.take(count).enumerate().map(as_is(reported))
    if part.num_replicas == 1:
        return parts.apply(tf.data.experimental.assert_cardinality(count))
    # `fit` takes a known number of elements for that of its steps, of which each needs
    # an element for each replica.
    return parts.filter(as_is(lambda *elements: True))
