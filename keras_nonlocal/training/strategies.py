"""`tf.distribute` strategies by name."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import keras

StrategyName = Literal["none", "mirrored", "multi-worker"]


def strategy_by_name(name: StrategyName) -> Any:
    """Returns a `tf.distribute` strategy.

    Args:
        name: `"none"` for a single device, `"mirrored"` for all GPUs of this machine,
            or `"multi-worker"` for all workers in the environment variable `TF_CONFIG`.
            Create the last one before TensorFlow is used.

    Raises:
        ValueError: If `name` has another value, or the backend is not TensorFlow and
            has no strategies.
    """
    if name not in ("none", "mirrored", "multi-worker"):
        raise ValueError(
            '`strategy` must be "none", "mirrored" or "multi-worker". '
            f"Received: strategy={name!r}"
        )
    if name != "none" and keras.backend.backend() != "tensorflow":
        raise ValueError(
            '`strategy` must be "none" unless the backend of Keras is TensorFlow. '
            f"Received: strategy={name!r} with {keras.backend.backend()!r}"
        )
    import tensorflow as tf

    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    if name == "multi-worker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.get_strategy()


def scope_of(model: keras.Model) -> AbstractContextManager[Any]:
    """Returns the scope of the model's strategy, if it has one."""
    strategy = getattr(model, "distribute_strategy", None)
    return nullcontext() if strategy is None else strategy.scope()


def is_chief(strategy: Any) -> bool:
    """Whether this process writes the files of all workers.

    Args:
        strategy: A `tf.distribute` strategy, or `None` for a single process.
    """
    resolver = getattr(strategy, "cluster_resolver", None)
    if resolver is None or not resolver.task_type:
        return True
    if resolver.task_type == "worker":
        has_chief = "chief" in resolver.cluster_spec().jobs
        return resolver.task_id == 0 and not has_chief
    return resolver.task_type == "chief"
