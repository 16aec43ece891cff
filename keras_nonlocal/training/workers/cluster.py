"""`find_cluster`: the workers that the environment of this process names.

Kubernetes has no variables that name the other pods, so a manifest writes `TF_CONFIG`,
as Kubeflow's operator does for a TFJob; see `examples/clusters`.
`tf.distribute.cluster_resolver.KubernetesClusterResolver` does not suit workers: it
asks the server for the pods from outside of the cluster, returns the addresses of
their machines, and knows neither type nor index of the task that it runs in.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from keras_nonlocal.training.workers.slurm import is_slurm_step, step_addresses

CONFIG = "TF_CONFIG"


@dataclass(frozen=True)
class Cluster:
    """The workers that train together.

    Args:
        source: What names them: `"TF_CONFIG"` or `"Slurm"`.
        addresses: Their addresses, `host:port`. The first one writes the files.
        index: The position of this worker among them.
    """

    source: str
    addresses: tuple[str, ...]
    index: int

    @property
    def count(self) -> int:
        """Number of workers."""
        return len(self.addresses)

    def __str__(self) -> str:
        return (
            f"cluster from {self.source}: worker {self.index} of {self.count}, "
            f"{self.addresses[self.index]}; the first is {self.addresses[0]}"
        )


def find_cluster(environment: Mapping[str, str] = os.environ) -> Cluster | None:
    """Returns the cluster that the environment names, or `None` without one.

    `TF_CONFIG` comes before Slurm, whose variables count in a step of `srun` with
    several tasks.

    Raises:
        ValueError: If the variables are malformed, or those of a job of Slurm with
            several tasks that `srun` has not started.
    """
    if environment.get(CONFIG):
        return _from_config(environment[CONFIG])
    if is_slurm_step(environment):
        return Cluster("Slurm", *step_addresses(environment))
    if "SLURM_STEP_ID" not in environment and _num_tasks(environment) > 1:
        raise ValueError(
            "Slurm must start a task for each worker: put `srun` before the command. "
            f"Received: SLURM_NTASKS={environment['SLURM_NTASKS']} and no step"
        )
    return None


def _num_tasks(environment: Mapping[str, str]) -> int:
    return int(environment.get("SLURM_NTASKS", "1"))


def _from_config(text: str) -> Cluster | None:
    try:
        config = json.loads(text)
        jobs = config.get("cluster")
        if not jobs:
            return None
        task = config["task"]
        kind, index = task["type"], int(task["index"])
        groups = {name: _addresses(jobs.get(name, ())) for name in ("chief", "worker")}
        has_place = 0 <= index < len(groups.get(kind, ()))
    except (ValueError, LookupError, TypeError, AttributeError):
        has_place = False
    if not has_place:
        raise ValueError(
            "`TF_CONFIG` must be JSON that lists the addresses of all workers and "
            "the type and index of this one, as in "
            '{"cluster": {"worker": ["a:12345", "b:12345"]}, '
            '"task": {"type": "worker", "index": 0}}. '
            f"Received: {text!r}"
        )
    first = len(groups["chief"]) if kind == "worker" else 0
    return Cluster(CONFIG, groups["chief"] + groups["worker"], first + index)


def _addresses(addresses: "list[str]") -> tuple[str, ...]:
    if not all(isinstance(address, str) and ":" in address for address in addresses):
        raise ValueError(addresses)
    return tuple(addresses)
