"""Batches on replicas.

`tf.distribute` splits the batches of a `tf.data.Dataset`. The batches of arrays that
`train_on_batch` and similar methods receive are split here.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_nonlocal.tensors import Tensor


def first_local_batch(strategy: tf.distribute.Strategy, iterator: Any) -> Any:
    """Returns the first replica's part of this process's first batch in an epoch.

    If it has no samples, it is returned with a sample of zeros, for its shapes.
    """

    def first_part(value: Any) -> Any:
        part = strategy.experimental_local_results(value)[0]
        if part.shape[0] == 0:
            part = tf.zeros((1, *part.shape[1:]), part.dtype)
        return part

    for _, _, batches in iterator:
        return keras.tree.map_structure(first_part, next(batches))
    return None


def batch_specs(iterator: Any) -> Any:
    """Returns the shapes and dtypes of the batches of Keras's iterator.

    No batch is read. Keras has no public name for the iterator's dataset. If another
    version of Keras stores it elsewhere, the result is `None`, the first step takes
    longer, and `tests/training/test_first_step.py` fails.
    """
    dataset = getattr(iterator, "_distributed_dataset", None)
    return getattr(dataset, "element_spec", None)


def have_known_ranks(batch: Any) -> bool:
    """Whether `batch` has labels and all its parts are dense and of known rank."""
    if not isinstance(batch, tuple) or len(batch) < 2 or batch[1] is None:
        return False
    return all(
        leaf is None
        or (
            isinstance(leaf, tf.TensorSpec | tf.Tensor | np.ndarray)
            and tf.TensorShape(leaf.shape).rank is not None
        )
        for leaf in keras.tree.flatten(batch)
    )


def replica_id(strategy: tf.distribute.Strategy, rank: int) -> int:
    """Returns the number of a replica."""
    return rank


def concatenated_position(strategy: tf.distribute.Strategy, rank: int) -> int:
    """Returns the position of a replica's outputs in Keras's outputs.

    Keras concatenates the outputs of several workers in the order of their autosharded
    datasets: first the first replicas of all workers, then the second ones.
    """
    local = len(strategy.extended.worker_devices)
    workers = strategy.num_replicas_in_sync // local
    return rank % local * workers + rank // local


def split_batch(
    strategy: tf.distribute.Strategy,
    batch: Any,
    position: Callable[[tf.distribute.Strategy, int], int] = replica_id,
) -> Any:
    """Splits a global batch among the replicas as evenly as possible.

    Args:
        strategy: The strategy. All its processes must pass the same batch.
        batch: Structure of arrays `(batch, …)`. `None` stays `None`.
        position: Returns the number of a replica's part. Defaults to the number of the
            replica.
    """
    replicas = strategy.num_replicas_in_sync

    def split(value: Any) -> Any:
        if value is None:
            return None
        value = keras.ops.convert_to_tensor(value)
        size = int(value.shape[0])

        def shard(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
            part = position(strategy, int(context.replica_id_in_sync_group))
            return value[size * part // replicas : size * (part + 1) // replicas]

        return strategy.experimental_distribute_values_from_function(shard)

    return keras.tree.map_structure(split, batch)


def placed(values: Sequence[Any]) -> list[tf.Tensor]:
    """Places tensors on this replica's device, for a reduction over all replicas.

    A worker with one replica needs the device of each tensor, which conditions and
    reads of variables leave unset.
    """
    return [tf.identity(value) for value in values]


def specs_of_any_size(batch: Any) -> Any:
    """Returns the specs of a structure of tensors, for any number of samples."""

    def spec(value: Any) -> Any:
        if value is None:
            return None
        return tf.TensorSpec((None, *value.shape[1:]), value.dtype)

    return keras.tree.map_structure(spec, batch)


def sample_count(x: Any) -> Tensor:
    """Returns this replica's number of samples, an integer if the graph knows it."""
    tensor = next(leaf for leaf in keras.tree.flatten(x) if leaf is not None)
    if tensor.shape[0] is not None and not tf.executing_eagerly():
        return tensor.shape[0]
    return tf.shape(tensor)[0]
