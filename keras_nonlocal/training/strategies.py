"""`tf.distribute` strategies by name, and their counterpart on JAX."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import keras

from keras_nonlocal.training.workers.agreement import all_workers_have
from keras_nonlocal.training.workers.cluster import CONFIG, Cluster, find_cluster
from keras_nonlocal.training.workers.jax_workers import JaxWorkers, jax_process

StrategyName = Literal["none", "mirrored", "multi-worker"]


def strategy_by_name(name: StrategyName) -> Any:
    """Returns a `tf.distribute` strategy, or `JaxWorkers`.

    Args:
        name: `"none"` for a single device, `"mirrored"` for all GPUs of this machine,
            or `"multi-worker"` for all workers that `find_cluster` finds, on TensorFlow
            or JAX. Create the last one before the backend is used. It waits until all
            workers have started.

    Raises:
        ValueError: If `name` has another value, the backend has no such strategy, or
            the variables of the cluster are malformed.
    """
    if name not in ("none", "mirrored", "multi-worker"):
        raise ValueError(
            '`strategy` must be "none", "mirrored" or "multi-worker". '
            f"Received: strategy={name!r}"
        )
    backend = keras.backend.backend()
    if name == "multi-worker" and backend == "jax":
        return JaxWorkers.start(find_cluster())
    if name != "none" and backend != "tensorflow":
        raise ValueError(
            '`strategy` must be "none" unless the backend of Keras is TensorFlow, or '
            '"multi-worker" on JAX. '
            f"Received: strategy={name!r} with {backend!r}"
        )
    import tensorflow as tf

    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    if name == "multi-worker":
        resolver = _resolver(find_cluster())
        return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    return tf.distribute.get_strategy()


def _resolver(cluster: Cluster | None) -> Any:
    import tensorflow as tf

    resolvers = tf.distribute.cluster_resolver
    if cluster is None or cluster.source == CONFIG:
        # It knows further variables, such as `rpc_layer`.
        return resolvers.TFConfigClusterResolver()
    return resolvers.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.addresses)}),
        task_type="worker",
        task_id=cluster.index,
        rpc_layer="grpc",
    )


def scope_of(model: keras.Model) -> AbstractContextManager[Any]:
    """Returns the scope of the model's strategy, if it has one."""
    strategy = getattr(model, "distribute_strategy", None)
    return nullcontext() if strategy is None else strategy.scope()


def training_of(strategy: Any) -> AbstractContextManager[Any]:
    """Returns a context in which a model is created, trained and saved."""
    return strategy.training() if isinstance(strategy, JaxWorkers) else nullcontext()


def num_local_replicas(strategy: Any) -> int:
    """Returns the number of replicas of a `tf.distribute` strategy in this process."""
    if strategy.num_replicas_in_sync == 1:
        return 1  # of one device, which has no list of devices
    return len(strategy.extended.worker_devices)


def is_chief(strategy: Any) -> bool:
    """Whether this process writes the files of all workers.

    Args:
        strategy: The result of `strategy_by_name`, or `None` for a model without a
            `tf.distribute` strategy. On JAX, the first process writes.
    """
    resolver = getattr(strategy, "cluster_resolver", None)
    if resolver is None or not resolver.task_type:
        return jax_process()[0] == 0
    if resolver.task_type == "worker":
        has_chief = "chief" in resolver.cluster_spec().jobs
        return resolver.task_id == 0 and not has_chief
    return resolver.task_type == "chief"


def wait_for_chief(strategy: Any) -> None:
    """Waits for all workers of a `tf.distribute` strategy.

    A worker that ended before the chief could not be started again with it. Processes
    of JAX wait for each other when they end.
    """
    if getattr(strategy, "cluster_resolver", None) is not None:
        all_workers_have("come to the end", strategy)
