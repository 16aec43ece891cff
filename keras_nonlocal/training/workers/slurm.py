"""The workers of a step of Slurm.

`tf.distribute.cluster_resolver.SlurmClusterResolver` reads the same variables, but four
properties of it in TensorFlow 2.21 rule it out:

- It divides GPUs among the tasks, and fails on machines without any.
- It sorts hosts as text. This puts node10 before node9 and gives their tasks each
  other's addresses.
- It reads no range in the middle of a name.
- It uses the ports from 8888 on for all jobs.

Where none of them matters, both give the same hosts, as a test shows. Several tasks of
a node need GPUs of their own from `srun --gpus-per-task`.
"""

import re
from collections.abc import Mapping
from itertools import product

_NUM_PORTS = 4096
_FIRST_PORT = 65536 - _NUM_PORTS
_PORTS_PER_JOB = 16
_VARIABLES = (
    "SLURM_JOB_ID",
    "SLURM_PROCID",
    "SLURM_STEP_NODELIST",
    "SLURM_STEP_NUM_TASKS",
    "SLURM_STEP_TASKS_PER_NODE",
)


def is_slurm_step(environment: Mapping[str, str]) -> bool:
    """Whether this process is one of several tasks of `srun`."""
    return (
        all(name in environment for name in _VARIABLES)
        and int(environment["SLURM_STEP_NUM_TASKS"]) > 1
    )


def step_addresses(environment: Mapping[str, str]) -> tuple[tuple[str, ...], int]:
    """Returns the address of each task of a step, and the number of this one.

    The ports depend on the job, so two jobs can share a node. As in JAX, they are those
    above 61440, which Linux gives to no other program on its own.

    Raises:
        ValueError: If a variable is malformed, or Slurm distributes the tasks in
            another order than in blocks.
    """
    hosts = expand_hosts(environment["SLURM_STEP_NODELIST"])
    counts = expand_counts(environment["SLURM_STEP_TASKS_PER_NODE"])
    if len(hosts) != len(counts):
        raise ValueError(
            "`SLURM_STEP_NODELIST` and `SLURM_STEP_TASKS_PER_NODE` must have the same "
            f"number of nodes. Received: {len(hosts)} and {len(counts)}"
        )
    offset = int(environment["SLURM_JOB_ID"]) * _PORTS_PER_JOB
    addresses = tuple(
        f"{host}:{_FIRST_PORT + (offset + local) % _NUM_PORTS}"
        for host, count in zip(hosts, counts, strict=True)
        for local in range(count)
    )
    index = int(environment["SLURM_PROCID"])
    _check_order(environment, addresses, index)
    return addresses, index


def _check_order(
    environment: Mapping[str, str], addresses: tuple[str, ...], index: int
) -> None:
    node = environment.get("SLURMD_NODENAME")
    if index < len(addresses):
        host = addresses[index].rpartition(":")[0]
        if node in (None, host):
            return
    raise ValueError(
        "Slurm must distribute tasks in blocks, as `srun --distribution=block` does. "
        f"Received: task {index} on {node}, "
        f"SLURM_STEP_NODELIST={environment['SLURM_STEP_NODELIST']}, "
        f"SLURM_STEP_TASKS_PER_NODE={environment['SLURM_STEP_TASKS_PER_NODE']}"
    )


def expand_hosts(hosts: str) -> list[str]:
    """Returns the hosts of a list in Slurm's syntax, in its order.

    Example:

    >>> from keras_nonlocal.training.workers.slurm import expand_hosts
    >>> expand_hosts("gpu[08-10,12],login,rack[1-2]n5")
    ['gpu08', 'gpu09', 'gpu10', 'gpu12', 'login', 'rack1n5', 'rack2n5']
    """
    name = r"(?:[^][,\s]|\[[0-9,-]+\])+"
    if not re.fullmatch(f"{name}(?:,{name})*", hosts):
        raise _malformed("SLURM_STEP_NODELIST", hosts)
    names = re.findall(name, hosts)
    return [host for name in names for host in _expand_name(name)]


def _expand_name(name: str) -> list[str]:
    # Text and ranges take turns.
    parts = re.split(r"\[([^]]*)\]", name)
    choices = [
        _expand_ranges(part) if position % 2 else [part]
        for position, part in enumerate(parts)
    ]
    return ["".join(chosen) for chosen in product(*choices)]


def _expand_ranges(ranges: str) -> list[str]:
    numbers = []
    for part in ranges.split(","):
        limits = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if limits is None:
            raise _malformed("SLURM_STEP_NODELIST", f"[{ranges}]")
        first, last = limits[1], limits[2] or limits[1]
        numbers += [f"{i:0{len(first)}}" for i in range(int(first), int(last) + 1)]
    return numbers


def expand_counts(counts: str) -> list[int]:
    """Returns the number of tasks on each node.

    Example:

    >>> from keras_nonlocal.training.workers.slurm import expand_counts
    >>> expand_counts("2(x3),1")
    [2, 2, 2, 1]
    """
    numbers: list[int] = []
    for part in counts.split(","):
        found = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if found is None:
            raise _malformed("SLURM_STEP_TASKS_PER_NODE", counts)
        numbers += [int(found[1])] * int(found[2] or 1)
    return numbers


def _malformed(name: str, value: str) -> ValueError:
    return ValueError(f"`{name}` must be in Slurm's syntax. Received: {value!r}")
