"""Batches on replicas."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def first_local_batch(strategy: tf.distribute.Strategy, iterator: Any) -> Any:
    """The first batch of an epoch as the first replica of this process sees it."""
    for _, _, batches in iterator:
        return keras.tree.map_structure(
            lambda value: strategy.experimental_local_results(value)[0], next(batches)
        )
    return None


def batch_specs(iterator: Any) -> Any:
    """Shapes and dtypes of the batches of Keras's iterator, without taking one.

    Keras has no public way to its dataset. `None` if a version of Keras keeps it
    elsewhere: the first step then takes longer, and `tests/training/test_first_step.py`
    says so.
    """
    dataset = getattr(iterator, "_distributed_dataset", None)
    return getattr(dataset, "element_spec", None)


def have_known_ranks(batch: Any) -> bool:
    """Whether `batch` has labels, and all of it is dense and of known rank."""
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
    """Position of a replica among all of them."""
    return rank


def concatenated_position(strategy: tf.distribute.Strategy, rank: int) -> int:
    """Position at which Keras puts the outputs of a replica.

    Those of several workers come in the order of their autosharded data sets: the first
    replicas of all workers, then the second ones.
    """
    local = len(strategy.extended.worker_devices)
    workers = strategy.num_replicas_in_sync // local
    return rank % local * workers + rank // local


def split_batch(
    strategy: tf.distribute.Strategy,
    batch: Any,
    position: Callable[[tf.distribute.Strategy, int], int] = replica_id,
) -> Any:
    """Shares a global batch out to the replicas, as even as it goes.

    Args:
        strategy: The strategy; every process of it must call with the same batch.
        batch: Structure of arrays `(batch, …)`; `None` stays.
        position: Which of the parts a replica gets. Defaults to its number.
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
    """The tensors on the device of this replica, for a reduction over all of them.

    Workers with one replica ask a tensor for its device, which conditions and reads of
    variables leave open.
    """
    return [tf.identity(value) for value in values]


def sample_count(x: Any) -> Any:
    """Number of samples of this replica: an integer where the graph knows it."""
    tensor = next(leaf for leaf in keras.tree.flatten(x) if leaf is not None)
    if tensor.shape[0] is not None and not tf.executing_eagerly():
        return tensor.shape[0]
    return tf.shape(tensor)[0]
