"""One row of a table in a process of its own, which another row leaves no trace in."""

import json
import os
import subprocess
import sys
from typing import Any


def run(script: str, case: dict[str, Any], environment: dict[str, str]) -> Any:
    """What `script --case CASE` prints last, or the last line of its error.

    Args:
        script: Path of a script that prints JSON.
        case: What goes to it as JSON.
        environment: Variables over those of this process.
    """
    command = [sys.executable, script, "--case", json.dumps(case)]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        return {"error": lines[-1]}
    return json.loads(done.stdout.splitlines()[-1])
