"""Workers of `tf.distribute` that load only what they train on."""

from typing import Any

from keras_nonlocal.training.clip_datasets import transform_clips


def loaded_apart(data: Any, strategy: Any) -> Any:
    """Returns a dataset of which each worker loads only its part of each batch.

    The batches of all workers together are those of `data`. Other data, and those of a
    single worker, are returned unchanged: `tf.distribute` then divides what all workers
    have loaded.

    Args:
        data: The data for `fit`.
        strategy: The result of `strategy_by_name`, or `None`.
    """
    resolver = getattr(strategy, "cluster_resolver", None)
    if resolver is None or not hasattr(data, "for_workers"):
        return data
    spec = resolver.cluster_spec()
    trains = {"chief", "worker"}.intersection(spec.jobs)
    num_workers = sum(map(spec.num_tasks, trains))
    if num_workers <= 1:
        return data
    part = data.for_workers(num_workers)
    # The strategy divides batches of a known size into parts of this size, and others
    # into as many parts as there are replicas. It looks for the size at the end.
    return transform_clips(part, lambda clips: clips.unbatch().batch(part.batch_size))
