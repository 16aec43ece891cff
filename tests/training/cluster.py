"""Several workers on loopback."""

import json
import socket
import subprocess
from contextlib import ExitStack

from tests.training.processes import start_module


def start_workers(
    module: str, *arguments: str, workers: int = 2
) -> list[subprocess.Popen[str]]:
    """Starts `python -m module` as the workers of one cluster."""
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            for _ in range(workers)
        ]
        addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    return [
        start_module(
            module,
            *arguments,
            TF_CONFIG=json.dumps(
                {
                    "cluster": {"worker": addresses},
                    "task": {"type": "worker", "index": index},
                }
            ),
        )
        for index in range(workers)
    ]
