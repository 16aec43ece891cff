"""`JaxWorkers`: data parallelism over processes on JAX.

JAX runs the same program in all processes, on arrays that span the devices of all of
them. Each process contributes its own part of every batch, and the batch normalizations
see the whole batch. Batches must therefore have the same size in all processes, and all
must have the same number of them.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from keras_nonlocal.training.workers.cluster import Cluster

# As long as TensorFlow waits: workers of a busy cluster do not start together.
_START_SECONDS = 3600
# At their end, processes wait for the first one, which tests the model.
_END_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True)
class JaxWorkers:
    """The processes of JAX, in the place of a `tf.distribute` strategy.

    Args:
        index: The position of this process among them.
        count: Number of processes.
        num_devices: Number of devices of all processes together.
    """

    index: int
    count: int
    num_devices: int

    @classmethod
    def start(cls, cluster: Cluster | None) -> "JaxWorkers":
        """Connects the processes.

        Args:
            cluster: The workers. With `None`, JAX itself finds them in an environment
                that it knows. If it finds none, this process is the only one.

        Raises:
            RuntimeError: If JAX has already been used, or the others do not come.
        """
        import jax

        if not jax.distributed.is_initialized():
            times = {
                "initialization_timeout": _START_SECONDS,
                "shutdown_timeout_seconds": _END_SECONDS,
            }
            if cluster is None:
                # It looks at the environment and, in a pod, asks Kubernetes.
                with contextlib.suppress(_NothingFoundError):
                    _detect(times)
            elif cluster.count > 1:
                jax.distributed.initialize(
                    cluster.addresses[0],
                    cluster.count,
                    cluster.index,
                    # With Slurm, JAX would use one device of each process.
                    cluster_detection_method="deactivate",
                    **times,
                )
        return cls(jax.process_index(), jax.process_count(), jax.device_count())

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """In this context, Keras distributes models and batches."""
        # The datasets of a run have the share of their process.
        parallel = keras.distribution.DataParallel(auto_shard_dataset=False)
        with parallel.scope():
            yield

    def scope(self) -> contextlib.AbstractContextManager[None]:
        """Returns a context for the creation of a model, as a strategy does."""
        return contextlib.nullcontext()


class _NothingFoundError(Exception):
    pass


def _detect(times: dict[str, Any]) -> None:
    import jax

    try:
        jax.distributed.initialize(**times)
    except ValueError as error:
        if "coordinator_address should be defined" not in str(error):
            raise
        raise _NothingFoundError from None


def jax_process() -> tuple[int, int]:
    """Returns the index of this process of JAX and their number; `(0, 1)` elsewhere."""
    if keras.backend.backend() != "jax":
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """In this context, one process of JAX can save a model without the others.

    Keras creates variables while it saves. Under a distribution, each of them waits for
    the same variable in all processes.
    """
    if jax_process()[1] == 1:
        yield
        return
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


def of_all_processes(batch: Any) -> Any:
    """Returns the batch of all processes, from the part of this one.

    Args:
        batch: Structure of arrays `(batch, …)`, of the same shape in all processes.
    """
    if jax_process()[1] == 1:
        return batch
    import jax
    import numpy as np

    devices = jax.sharding.Mesh(np.array(jax.devices()), ("batch",))
    place = jax.sharding.NamedSharding(devices, jax.sharding.PartitionSpec("batch"))
    return keras.tree.map_structure(
        lambda x: jax.make_array_from_process_local_data(place, np.asarray(x)), batch
    )
