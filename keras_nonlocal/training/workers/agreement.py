"""Checks that all workers read the same state from the run's folder."""

import json
import zlib
from typing import Any

from keras_nonlocal.training.workers.jax_workers import jax_process


def all_workers_have(value: Any, strategy: Any) -> bool:
    """Whether all workers call this function with the same value.

    Without other workers, it is true. Workers wait here for each other.

    Args:
        value: A value in JSON types.
        strategy: The `tf.distribute` strategy of a model, or `None`.
    """
    # Its square does not overflow 64 bits, also in a sum over thousands of workers.
    code = zlib.crc32(json.dumps(value).encode()) >> 8
    if jax_process()[1] > 1:
        import numpy as np
        from jax.experimental import multihost_utils

        codes = multihost_utils.process_allgather(np.array([code], "int32"))
        return bool((codes == code).all())
    resolver = getattr(strategy, "cluster_resolver", None)
    if resolver is None or not resolver.task_type:
        return True
    return _equal_on_replicas(code, strategy)


def _equal_on_replicas(code: int, strategy: Any) -> bool:
    """Whether the variance over all replicas is zero."""
    import tensorflow as tf

    def moments() -> Any:
        return tf.constant([1, code, code**2], tf.int64)

    @tf.function
    def summed() -> Any:
        return strategy.reduce("SUM", strategy.run(moments), axis=None)

    count, total, squares = summed().numpy()
    return int(count) * int(squares) == int(total) ** 2
