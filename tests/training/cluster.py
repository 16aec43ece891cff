"""Several workers on loopback."""

import json
import socket
import subprocess
from contextlib import ExitStack

from tests.training.processes import start_module


def configs(workers: int) -> list[str]:
    """The `TF_CONFIG` of each worker of a cluster."""
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            for _ in range(workers)
        ]
        addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    return [
        json.dumps(
            {
                "cluster": {"worker": addresses},
                "task": {"type": "worker", "index": index},
            }
        )
        for index in range(workers)
    ]


def start_workers(
    module: str, *arguments: str, workers: int = 2, **environment: str
) -> list[subprocess.Popen[str]]:
    """Starts `python -m module` as the workers of one cluster."""
    return [
        start_module(module, *arguments, TF_CONFIG=config, **environment)
        for config in configs(workers)
    ]
